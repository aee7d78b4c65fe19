(* Convolutions: elements looked up by their place, and coefficients added up by place, in a binary tree; nothing is
   unrolled.  What a tree means is said by `get` alone. *)
From Coq Require Import ZArith QArith List Lia Lqa Bool PArith.
From NNWorkbench Require Import Network Arithmetic.
Import ListNotations.
Local Open Scope Q_scope.

Inductive trie (A : Type) := Nil | Node (below : trie A) (here : A) (above : trie A).
Arguments Nil {A}.
Arguments Node {A}.

Section Tries.
Context {A : Type} (d : A).

Fixpoint get (p : positive) (t : trie A) {struct p} : A :=
  match t with
  | Nil => d
  | Node l v r => match p with xH => v | xO q => get q l | xI q => get q r end
  end.

Fixpoint change (f : A -> A) (p : positive) (t : trie A) {struct p} : trie A :=
  match t with
  | Nil => match p with
           | xH => Node Nil (f d) Nil
           | xO q => Node (change f q Nil) d Nil
           | xI q => Node Nil d (change f q Nil)
           end
  | Node l v r => match p with
                  | xH => Node l (f v) r
                  | xO q => Node (change f q l) v r
                  | xI q => Node l v (change f q r)
                  end
  end.

Lemma get_change f : forall q p t, get p (change f q t) = if Pos.eqb p q then f (get p t) else get p t.
Proof.
  induction q as [q IH|q IH|]; intros [p|p|] [|l v r]; cbn; try reflexivity; try rewrite IH; destruct p; reflexivity.
Qed.

Fixpoint filed (l : list A) (p : positive) (t : trie A) : trie A :=
  match l with [] => t | a :: l' => filed l' (Pos.succ p) (change (fun _ => a) p t) end.

Lemma get_filed l : forall p t, (forall q, (p <= q)%positive -> get q t = d) ->
  forall q, get q (filed l p t) = if (q <? p)%positive then get q t else nth (Pos.to_nat q - Pos.to_nat p) l d.
Proof.
  induction l as [|a l IH]; intros p t H q; cbn [filed].
  - destruct (Pos.ltb_spec q p) as [L|L]; [reflexivity|]. rewrite H by exact L. destruct (Pos.to_nat q - Pos.to_nat p)%nat; reflexivity.
  - rewrite IH.
    + rewrite get_change. destruct (Pos.ltb_spec q (Pos.succ p)), (Pos.ltb_spec q p), (Pos.eqb_spec q p); try lia; try reflexivity.
      * subst. rewrite Nat.sub_diag. reflexivity.
      * replace (Pos.to_nat q - Pos.to_nat p)%nat with (S (Pos.to_nat q - Pos.to_nat (Pos.succ p))) by lia. reflexivity.
    + intros r R. rewrite get_change. destruct (Pos.eqb_spec r p); [lia|]. apply H. lia.
Qed.

Definition key (k : Z) : positive := Z.to_pos (k + 1).
Definition kept (l : list A) : trie A := filed l 1 Nil.
Definition look (t : trie A) (k : Z) : A := if (k <? 0)%Z then d else get (key k) t.

Lemma look_kept l k : look (kept l) k = if (k <? 0)%Z then d else nth (Z.to_nat k) l d.
Proof.
  unfold look, kept. destruct (Z.ltb_spec k 0); [reflexivity|]. rewrite get_filed.
  - destruct (Pos.ltb_spec (key k) 1); [lia|]. f_equal. unfold key. lia.
  - intros [q|q|] _; reflexivity.
Qed.
End Tries.

(* ---- coefficients of elements, added up *)

Fixpoint listing (n : nat) (p : positive) (t : trie Z) : list Z :=
  match n with O => [] | S n' => get 0%Z p t :: listing n' (Pos.succ p) t end.

Lemma dot_listing u q t : forall n p v, (length v <= n)%nat ->
  dot (listing n p (change 0%Z (Z.add u) q t)) v ==
  dot (listing n p t) v + ι u * (if (q <? p)%positive then 0 else nth (Pos.to_nat q - Pos.to_nat p) v 0).
Proof.
  induction n as [|n IH]; intros p [|w v] L; cbn [listing dot length] in *; try lia.
  - destruct (q <? p)%positive; [ring|]. destruct (Pos.to_nat q - Pos.to_nat p)%nat; cbn [nth]; ring.
  - destruct (q <? p)%positive; [ring|]. destruct (Pos.to_nat q - Pos.to_nat p)%nat; cbn [nth]; ring.
  - rewrite IH by lia. rewrite get_change.
    destruct (Pos.eqb_spec p q) as [E|E].
    + subst. rewrite Pos.ltb_irrefl, Nat.sub_diag. destruct (Pos.ltb_spec q (Pos.succ q)); [|lia]. cbn [nth]. zq. ring.
    + destruct (Pos.ltb_spec q (Pos.succ p)), (Pos.ltb_spec q p); try lia; [ring|].
      replace (Pos.to_nat q - Pos.to_nat p)%nat with (S (Pos.to_nat q - Pos.to_nat (Pos.succ p))) by lia. cbn [nth]. ring.
Qed.

Fixpoint scatter (tap a : list Z) (t : trie Z) : trie Z :=
  match tap, a with
  | k :: tap', u :: a' =>
      let t' := scatter tap' a' t in
      match u with Z0 => t' | _ => if (k <? 0)%Z then t' else change 0%Z (Z.add u) (key k) t' end
  | _, _ => t
  end.

Lemma scatter_sound n v : (length v <= n)%nat -> forall tap a t,
  dot (listing n 1 (scatter tap a t)) v == dot (listing n 1 t) v + dot a (map (element v) tap).
Proof.
  intros L. induction tap as [|k tap IH]; intros [|u a] t; cbn [scatter map dot]; try ring.
  destruct u as [|u|u]; [rewrite IH; change (ι 0) with 0; ring| |]; unfold element at 1; destruct (Z.ltb_spec k 0);
    try (rewrite IH; ring); rewrite dot_listing, IH by exact L; destruct (Pos.ltb_spec (key k) 1); try lia;
    unfold key; replace (Pos.to_nat (Z.to_pos (k + 1)) - Pos.to_nat 1)%nat with (Z.to_nat k) by lia; ring.
Qed.

(* Coefficients of a convolution's result, channel by channel; the blocks lose their heads place by place. *)
Fixpoint chunks {A} (rows : list A) (places : nat) (a : list Z) : list (list Z) :=
  match rows with [] => [] | _ :: rows' => firstn places a :: chunks rows' places (skipn places a) end.

Definition idle (block : list Z) : bool := forallb (fun u => match u with Z0 => true | _ => false end) block.

Fixpoint spread (rows : list (list Z)) (reads blocks : list (list Z)) (t : trie Z) (c : Z) : trie Z * Z :=
  match reads with
  | [] => (t, c)
  | tap :: reads' =>
      let block := map (hd 0%Z) blocks in
      let rest := map (@tl Z) blocks in
      if idle block then spread rows reads' rest t c
      else match vecmat block rows with
           | [] => spread rows reads' rest t c
           | b :: w => spread rows reads' rest (scatter tap w t) (c + b)%Z
           end
  end.

Definition conv_back (n : nat) (a : list Z) (reads rows : list (list Z)) : list Z :=  (* of (1, v) *)
  let (t, c) := spread rows reads (chunks rows (length reads) a) Nil 0%Z in c :: listing n 1 t.

Lemma dot_app x y : forall a, dot a (x ++ y) == dot (firstn (length x) a) x + dot (skipn (length x) a) y.
Proof.
  induction x as [|v x IH]; intros [|u a]; cbn [app length firstn skipn].
  - rewrite !dot_nil. ring.
  - rewrite dot_nil. ring.
  - rewrite !dot_nil. ring.
  - cbn [dot]. rewrite IH. ring.
Qed.

Section Sums.
Variable f : list Z -> list Z -> Q.  (* of a row and a place *)

Fixpoint blocked (blocks rows reads : list (list Z)) : Q :=
  match rows, blocks with
  | r :: rows', b :: blocks' => dot b (map (f r) reads) + blocked blocks' rows' reads
  | _, _ => 0
  end.

Lemma blocked_chunks reads : forall rows a,
  dot a (flat_map (fun r => map (f r) reads) rows) == blocked (chunks rows (length reads) a) rows reads.
Proof.
  induction rows as [|r rows IH]; intros a; cbn [flat_map chunks blocked]; [apply dot_nil_r|].
  rewrite dot_app, map_length, IH. reflexivity.
Qed.

Lemma blocked_nil : forall rows blocks, blocked blocks rows [] == 0.
Proof. induction rows as [|r rows IH]; intros [|b blocks]; cbn; try reflexivity. rewrite IH, dot_nil_r. ring. Qed.

Lemma blocked_cons tap reads : forall rows blocks,
  blocked blocks rows (tap :: reads) ==
  dot (map (hd 0%Z) blocks) (map (fun r => f r tap) rows) + blocked (map (@tl Z) blocks) rows reads.
Proof.
  induction rows as [|r rows IH]; intros [|b blocks]; cbn [blocked map dot]; try ring.
  rewrite IH. destruct b as [|u b]; cbn [map dot hd tl]; change (ι 0) with 0; ring.
Qed.
End Sums.

Lemma idle_dot : forall block x, idle block = true -> dot block x == 0.
Proof.
  induction block as [|u block IH]; intros [|v x] H; cbn [idle forallb dot] in *; try reflexivity.
  apply andb_prop in H as [H1 H2]. destruct u; try discriminate. rewrite IH by exact H2. change (ι 0) with 0. ring.
Qed.

Lemma spread_sound n v rows : (length v <= n)%nat -> forall reads blocks t c,
  let (t', c') := spread rows reads blocks t c in
  dot (c' :: listing n 1 t') (1 :: v) ==
  dot (c :: listing n 1 t) (1 :: v) + blocked (fun r tap => dot r (1 :: map (element v) tap)) blocks rows reads.
Proof.
  intros L. induction reads as [|tap reads IH]; intros blocks t c; cbn [spread].
  - rewrite blocked_nil. ring.
  - set (f := fun r tap => dot r (1 :: map (element v) tap)) in *.
    pose proof (blocked_cons f tap reads rows blocks) as B.
    assert (D : dot (map (hd 0%Z) blocks) (map (fun r => f r tap) rows) ==
      dot (vecmat (map (hd 0%Z) blocks) rows) (1 :: map (element v) tap)) by (rewrite dot_vecmat; reflexivity).
    destruct (idle (map (hd 0%Z) blocks)) eqn:E.
    + specialize (IH (map (@tl Z) blocks) t c). destruct (spread _ _ _ _ _). rewrite IH, B, (idle_dot _ _ E). ring.
    + destruct (vecmat (map (hd 0%Z) blocks) rows) as [|b w].
      * specialize (IH (map (@tl Z) blocks) t c). destruct (spread _ _ _ _ _). rewrite IH, B, D. cbn [dot]. ring.
      * specialize (IH (map (@tl Z) blocks) (scatter tap w t) (c + b)%Z). destruct (spread _ _ _ _ _).
        rewrite IH, B, D. cbn [dot]. rewrite (scatter_sound n v L), inject_Z_plus. ring.
Qed.

Lemma conv_back_sound n v a reads rows : (length v <= n)%nat ->
  dot (conv_back n a reads rows) (1 :: v) ==
  dot a (flat_map (fun r => map (fun tap => dot r (1 :: map (element v) tap)) reads) rows).
Proof.
  intros L. unfold conv_back. rewrite (blocked_chunks (fun r tap => dot r (1 :: map (element v) tap)) reads).
  pose proof (spread_sound n v rows L reads (chunks rows (length reads) a) Nil 0%Z) as S.
  destruct (spread _ _ _ _ _) as [t c]. rewrite S. cbn [dot]. change (ι 0) with 0.
  assert (N : forall k p w, dot (listing k p Nil) w == 0).
  { induction k as [|k IH]; intros p [|w0 w]; cbn [listing dot]; try reflexivity. rewrite IH. destruct p; cbn; ring. }
  rewrite N. ring.
Qed.
