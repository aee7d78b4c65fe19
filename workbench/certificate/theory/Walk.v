(* Rows walked back through a network, intervals and linear functions walked forward, and all bounds of a part. *)
From Coq Require Import ZArith QArith List Lia Lqa Bool.
From NNWorkbench Require Import Network Arithmetic Taps Bounds.
Import ListNotations.
Local Open Scope Q_scope.

Section Precision.
Variable P : N.
Notation U := (ι (two P)).
Notation enclosed := (enclosed P).
Notation within := (within P).

(* What is known of every vector, newest first, at one input x. *)
Definition lines_fit (k : step) (e : entry) (before : list vec) : Prop :=
  match k with
  | Relu s ex al => Forall2 (good_line P ex al) (lines e) (nth s before [])
  | Affine s ex rows => Forall2 (fun r c => dot r (1 :: nth s before []) == dot c (1 :: nth s before [])) rows (sparse e)
  | _ => True
  end.

Definition known (e : entry) (v : vec) : Prop := enclosed (range e) v /\ owed e = negatives (range e).

Fixpoint fits (net : list step) (es : list entry) (x : vec) : Prop :=
  match net, es with
  | [], [e] => known e x
  | k :: net', e :: es' => known e (apply k (values net' x)) /\ lines_fit k e (values net' x) /\ fits net' es' x
  | _, _ => False
  end.

Lemma fits_nth net : forall es x s, fits net es x -> known (nth s es nothing) (nth s (values net x) []).
Proof.
  assert (N : known nothing []) by (split; constructor).
  induction net as [|k net IH]; intros [|e es] x s F; cbn [fits] in F; try contradiction.
  - destruct es; [|contradiction]. destruct s as [|[|s]]; cbn; try exact N. exact F.
  - destruct F as [K [_ F]]. destruct s as [|s]; cbn [nth values]; [exact K|]. apply IH, F.
Qed.

(* ---- rows *)

Fixpoint add_at (s : nat) (a : list Z) (pending : list (list Z)) : list (list Z) :=
  match s with
  | O => vadd a (hd [] pending) :: tl pending
  | S s' => hd [] pending :: add_at s' a (tl pending)
  end.

Fixpoint total (pending : list (list Z)) (vs : list vec) : Q :=
  match vs with
  | [] => 0
  | v :: vs' => dot (hd [] pending) v + total (tl pending) vs'
  end.

Lemma total_add_at s a : forall pending vs, total (add_at s a pending) vs == total pending vs + dot a (nth s vs []).
Proof.
  induction s as [|s IH]; intros pending [|v vs]; cbn [total add_at nth hd tl]; rewrite ?dot_nil_r; try ring.
  - rewrite dot_vadd. ring.
  - rewrite IH. ring.
Qed.

Fixpoint through (sh : N) (ls : list line) (a : list Z) : list Z * Z :=  (* coefficients, and what is lost, in units^2 *)
  match ls, a with
  | k :: ls', u :: a' =>
      let (p, lost) := through sh ls' a' in
      match k with
      | Dead => (0%Z :: p, lost)
      | Same => (u :: p, lost)
      | Bent b s t =>
          match u with
          | Z0 => (0%Z :: p, lost)
          | Zpos _ => (shr sh (b * u) :: p, lost)
          | Zneg _ => (shr sh (s * u) :: p, lost - u * t)%Z
          end
      end
  | _, _ => ([], 0%Z)
  end.

Lemma round_one sh w l h v : within (l, h) v ->
  U * (ι (shr sh w) * v) + ι (match l with Zneg _ => l | _ => 0%Z end) <= U * (ι w * over sh * v).
Proof.
  intros H. assert (F : enclosed [(l, h)] [v]) by (constructor; [exact H|constructor]).
  pose proof (round_units P sh [(l, h)] [v] F [w]) as R. cbn [map dot negatives] in R.
  assert (E : ι match l with Zneg _ => (l + 0)%Z | _ => 0%Z end == ι match l with Zneg _ => l | _ => 0%Z end)
    by (destruct l; rewrite ?Z.add_0_r; reflexivity).
  rewrite E in R. lra.
Qed.

Lemma through_sound e al b z : enclosed b z -> forall ls a, Forall2 (good_line P e al) ls z ->
  U * dot (fst (through (slopes_shift e) ls a)) z + ι (negatives b - snd (through (slopes_shift e) ls a))
  <= U * dot a (map (relu e al) z).
Proof.
  set (sh := slopes_shift e).
  induction 1 as [|[l h] v b z Hv H IH]; intros ls a F; inversion F as [|k v' ls' z' G F']; subst.
  - cbn. destruct a; cbn; change (ι 0) with 0; lra.
  - pose proof (U_pos P) as HU.
    assert (NB : negatives ((l, h) :: b) = (match l with Zneg _ => l | _ => 0 end + negatives b)%Z)
      by (cbn [negatives]; destruct l; lia).
    rewrite NB. clear NB. pose proof (round_one sh) as R1.
    set (m := match l with Zneg _ => l | _ => 0%Z end) in *.
    assert (M : ι m <= 0) by (apply (ι_le _ 0); unfold m; destruct l; lia).
    destruct a as [|u a].
    + cbn [through fst snd dot map]. pose proof (ι_le _ _ (negatives_nonpos b)) as NN. change (ι 0) with 0 in NN.
      unfold Z.sub. rewrite !inject_Z_plus, inject_Z_opp. change (ι 0) with 0. lra.
    + specialize (IH ls' a F'). cbn [through]. destruct (through sh ls' a) as [p lost]. cbn [fst snd] in *.
      unfold Z.sub in *. rewrite inject_Z_plus, inject_Z_opp in IH.
      set (r := relu e al v) in *. set (d := dot a (map (relu e al) z)) in *.
      cbn [map]. fold r. change (dot (u :: a) (r :: map (relu e al) z)) with (ι u * r + d).
      destruct k as [| |ka ks kt]; cbn [good_line fst snd dot] in G |- *.
      * fold r in G. rewrite !inject_Z_plus, inject_Z_opp, G. change (ι 0) with 0. lra.
      * fold r in G. rewrite !inject_Z_plus, inject_Z_opp, G. lra.
      * fold sh r in G. destruct G as [G1 [G2 [G3 G4]]]. apply ι_le in G1, G2. change (ι 0) with 0 in *.
        destruct u as [|u|u]; cbn [fst snd dot]; rewrite ?inject_Z_plus, ?inject_Z_opp, ?inject_Z_mult.
        -- change (ι 0) with 0. lra.
        -- assert (UP : 0 < ι (Zpos u)) by (apply (ι_lt 0); lia).
           pose proof (R1 (ka * Zpos u)%Z l h v Hv) as R. fold m in R. rewrite inject_Z_mult in R.
           assert (U * (ι ka * ι (Zpos u) * over sh * v) <= U * (ι (Zpos u) * r)).
           { apply Qmult_le_l; [assumption|].
             setoid_replace (ι ka * ι (Zpos u) * over sh * v) with (ι (Zpos u) * (ι ka * over sh * v)) by ring.
             apply Qmult_le_l; assumption. }
           lra.
        -- assert (UP : 0 < - ι (Zneg u)) by (rewrite <- inject_Z_opp; apply (ι_lt 0); lia).
           pose proof (R1 (ks * Zneg u)%Z l h v Hv) as R. fold m in R. rewrite inject_Z_mult in R.
           assert (- ι (Zneg u) * (U * r) <= - ι (Zneg u) * (ι ks * over sh * (U * v) + ι kt))
             by (apply Qmult_le_l; assumption).
           rewrite ?inject_Z_plus, ?inject_Z_opp, ?inject_Z_mult. lra.
Qed.

Fixpoint scalar (a b : list Z) : Z :=
  match a, b with
  | u :: a', v :: b' => (v * u + scalar a' b')%Z
  | _, _ => 0%Z
  end.

Fixpoint back (net : list step) (es : list entry) (pending : list (list Z)) (c : Z) {struct net} : list Z * Z :=
  match net with
  | [] => (hd [] pending, c)
  | k :: net' =>
      let es' := tl es in
      let rest := tl pending in
      match hd [] pending with
      | [] => back net' es' rest c
      | a =>
          match k with
          | Affine s e rows =>
              match map (shr e) (vecmat a (sparse (hd nothing es))) with
              | [] => back net' es' rest c
              | d :: p => back net' es' (add_at s p rest) (c + d + shr P (owed (nth s es' nothing)))
              end
          | Conv s e reads rows =>
              let of := nth s es' nothing in
              match map (shr e) (conv_back (length (range of)) a reads rows) with
              | [] => back net' es' rest c
              | d :: p => back net' es' (add_at s p rest) (c + d + shr P (owed of))
              end
          | Shift s e b => back net' es' (add_at s a rest) (c + shr e (scalar a b))
          | Relu s e al =>
              let (p, lost) := through (slopes_shift e) (lines (hd nothing es)) a in
              back net' es' (add_at s p rest) (c + shr P (owed (nth s es' nothing) - lost))
          | Add s t => back net' es' (add_at s a (add_at t a rest)) c
          end
      end
  end%Z.

Lemma dot_plus a : forall x y, dot a (plus x y) == dot a x + dot a y.
Proof.
  induction a as [|u a IH]; intros [|v x] [|w y]; cbn [dot plus]; try ring. rewrite IH. ring.
Qed.

Lemma dot_shift e b : forall a, ι (shr e (scalar a b)) <= dot a (map (fun n => ι n * over e) b).
Proof.
  intros a. destruct (shr_spec e (scalar a b)) as [S _].
  assert (E : forall a, dot a (map (fun n => ι n * over e) b) == ι (scalar a b) * over e).
  { clear. induction b as [|n b IH]; intros [|u a]; cbn [map dot scalar]; change (ι 0) with 0; try ring.
    rewrite IH, inject_Z_plus, inject_Z_mult. ring. }
  rewrite E. exact S.
Qed.

Lemma rounded (e : N) (q : list Z) (b : list (Z * Z)) (v : vec) d p : enclosed b v -> map (shr e) q = d :: p ->
  dot p v + ι (d + shr P (negatives b)) <= dot q (1 :: v) * over e.
Proof.
  intros B E.
  assert (B' : enclosed ((two P, two P) :: b) (1 :: v)) by (constructor; [apply one_within|exact B]).
  pose proof (round_sound P e _ _ q B') as R. rewrite E in R. cbn [dot] in R.
  assert (C : charge P ((two P, two P) :: b) = charge P b).
  { unfold charge. cbn [negatives]. pose proof (two_pos P). destruct (two P); try lia; reflexivity. }
  rewrite C in R. unfold charge in R. rewrite inject_Z_opp in R. rewrite inject_Z_plus. lra.
Qed.

Lemma affine_step (e : N) (rows : list (list Z)) (a : list Z) (b : list (Z * Z)) (v : vec) d p : enclosed b v ->
  map (shr e) (vecmat a rows) = d :: p ->
  dot p v + ι (d + shr P (negatives b)) <= dot a (map (fun row => dot row (1 :: v) * over e) rows).
Proof. intros B E. rewrite dot_map_scaled, <- dot_vecmat. exact (rounded e _ b v d p B E). Qed.

Lemma conv_scaled s (f : list Z -> list Z -> Q) reads : forall rows a,
  dot a (flat_map (fun r => map (fun tap => f r tap * s) reads) rows) ==
  dot a (flat_map (fun r => map (f r) reads) rows) * s.
Proof.
  assert (M : forall r taps a, dot a (map (fun tap => f r tap * s) taps) == dot a (map (f r) taps) * s).
  { induction taps as [|tap taps IH]; intros [|u a]; cbn [map dot]; try ring. rewrite IH. ring. }
  induction rows as [|r rows IH]; intros a; cbn [flat_map]; [rewrite dot_nil_r; ring|].
  rewrite !dot_app, !map_length, M, IH. ring.
Qed.

Lemma conv_step (e : N) (reads rows : list (list Z)) (a : list Z) (b : list (Z * Z)) (v : vec) d p : enclosed b v ->
  map (shr e) (conv_back (length b) a reads rows) = d :: p ->
  dot p v + ι (d + shr P (negatives b)) <=
  dot a (flat_map (fun row => map (fun tap => dot row (1 :: map (element v) tap) * over e) reads) rows).
Proof.
  intros B E. rewrite (conv_scaled (over e) (fun r tap => dot r (1 :: map (element v) tap))).
  rewrite <- (conv_back_sound (length b)).
  - exact (rounded e _ b v d p B E).
  - clear E. induction B; cbn [length]; lia.
Qed.

Lemma dot_sparse s v : forall rows cut, Forall2 (fun r c : list Z => dot r v == dot c v) rows cut ->
  forall a, dot a (map (fun r => dot r v * s) rows) == dot a (map (fun r => dot r v * s) cut).
Proof.
  induction 1 as [|r c rows cut H F IH]; intros [|u a]; cbn [map dot]; try reflexivity. rewrite IH, H. reflexivity.
Qed.

Theorem back_sound net : forall es pending c x, fits net es x ->
  let (a, d) := back net es pending c in dot a x + ι d <= total pending (values net x) + ι c.
Proof.
  induction net as [|k net IH]; intros es pending c x F; cbn [back].
  - cbn [values total]. lra.
  - destruct es as [|e es]; cbn [fits] in F; [contradiction|]. destruct F as [K [L F]]. cbn [values total hd tl].
    destruct (hd [] pending) as [|u a0] eqn:Ha.
    { specialize (IH es (tl pending) c x F). destruct (back _ _ _ _). cbn [dot]. lra. }
    set (a := u :: a0) in *. clearbody a. clear Ha u a0.
    destruct k as [s ex rows|s ex reads rows|s ex b|s ex al|s t]; cbn [apply lines_fit] in K, L |- *.
    + pose proof (dot_sparse (over ex) _ rows (sparse e) L a) as S. revert S. clear L K.
      generalize (sparse e). intros cut S.
      destruct (map (shr ex) (vecmat a cut)) as [|d p] eqn:E.
      * specialize (IH es (tl pending) c x F). destruct (back _ _ _ _). rewrite S, dot_map_scaled, <- dot_vecmat.
        destruct (vecmat a cut); [|discriminate]. cbn [dot]. lra.
      * specialize (IH es (add_at s p (tl pending)) (c + d + shr P (owed (nth s es nothing)))%Z x F).
        destruct (back _ _ _ _). rewrite total_add_at in IH. rewrite !inject_Z_plus in IH.
        destruct (fits_nth net es x s F) as [B O]. rewrite O in IH.
        pose proof (affine_step ex cut a _ _ d p B E) as A. rewrite inject_Z_plus in A. lra.
    + destruct (fits_nth net es x s F) as [B O].
      destruct (map (shr ex) (conv_back (length (range (nth s es nothing))) a reads rows)) as [|d p] eqn:E.
      * unfold conv_back in E. destruct (spread _ _ _ _ _). discriminate.
      * specialize (IH es (add_at s p (tl pending)) (c + d + shr P (owed (nth s es nothing)))%Z x F).
        destruct (back _ _ _ _). rewrite total_add_at in IH. rewrite !inject_Z_plus in IH. rewrite O in IH.
        pose proof (conv_step ex reads rows a _ _ d p B E) as A. rewrite inject_Z_plus in A. lra.
    + specialize (IH es (add_at s a (tl pending)) (c + shr ex (scalar a b))%Z x F). destruct (back _ _ _ _).
      rewrite total_add_at in IH. rewrite inject_Z_plus in IH. pose proof (dot_shift ex b a). rewrite dot_plus. lra.
    + pose proof (fits_nth net es x s F) as [B O].
      pose proof (through_sound ex al _ _ B (lines e) a L) as T.
      destruct (through (slopes_shift ex) (lines e) a) as [p lost]. cbn [fst snd] in T.
      specialize (IH es (add_at s p (tl pending)) (c + shr P (owed (nth s es nothing) - lost))%Z x F).
      destruct (back _ _ _ _). rewrite total_add_at in IH. rewrite inject_Z_plus, O in IH.
      set (m := (negatives _ - lost)%Z) in *.
      assert (dot p (nth s (values net x) []) + ι (shr P m) <= dot a (map (relu ex al) (nth s (values net x) []))).
      { destruct (shr_spec P m) as [S _]. pose proof (over_two P). pose proof (U_pos P). 
        apply (Qmult_le_l _ _ U); [assumption|]. 
        assert (U * ι (shr P m) <= U * (ι m * over P)) by (apply Qmult_le_l; assumption).
        setoid_replace (U * (ι m * over P)) with (over P * U * ι m) in H1 by ring. rewrite H in H1. lra. }
      lra.
    + specialize (IH es (add_at s a (add_at t a (tl pending))) c x F). destruct (back _ _ _ _).
      rewrite !total_add_at in IH. rewrite dot_plus. lra.
Qed.

End Precision.
