(* Trees of splits: every part of the region is split, bounded or shrunk until nothing unsafe can happen in it.
   The last theorem, `verified_sound`, is what a certificate is applied to. *)
From Coq Require Import ZArith QArith Qround List Lia Lqa Bool.
From NNWorkbench Require Import Network Arithmetic Bounds Walk Forward.
Import ListNotations.
Local Open Scope Q_scope.

Section Precision.
Variable P : N.
Notation U := (ι (two P)).
Notation enclosed := (enclosed P).
Notation within := (within P).
Notation fits := (fits P).

Lemma bounds_sound w net : forall marks chosen box phases old x, forallb step_ok net = true -> enclosed box x ->
  phases_hold phases (values net x) -> (old = [] \/ fits net old x) ->
  let (es, fs) := bounds P net w marks chosen box phases old in
  fits net es x /\ (by_forms w = true -> Forall2 (Forall2 (form_fits P x)) fs (values net x)).
Proof.
  induction net as [|k net IH]; intros marks chosen box phases old x W B H O; cbn [bounds].
  - split; [repeat split; exact B|]. intros E. rewrite E. cbn [values]. constructor; [|constructor].
    assert (G : forall y n, (forall i, nth (n + i) (1 :: x) 0 == nth i y 0) -> forall b, enclosed b y ->
      Forall2 (form_fits P x) (identity P n (length b)) y).
    { intros y n En b By. revert n En. induction By as [|c v b y Hv By IHb]; intros n En; cbn [length identity]; constructor.
      - pose proof (En 0%nat) as E0. rewrite Nat.add_0_r in E0. cbn [nth] in E0.
        split; cbn [fst snd]; rewrite dot_unit, E0; rewrite ?inject_Z_opp; lra.
      - apply IHb. intros i. specialize (En (S i)). cbn [nth] in En. rewrite <- En.
        replace (n + S i)%nat with (S n + i)%nat by lia. reflexivity. }
    apply G; [intros i; reflexivity|exact B].
  - cbn [forallb] in W. apply andb_prop in W as [W1 W2]. cbn [values phases_hold] in H. destruct H as [H1 H2].
    assert (O' : tl old = [] \/ fits net (tl old) x).
    { destruct O as [O|O]; [subst; left; reflexivity|]. destruct old as [|e old]; [left; reflexivity|]. right. apply O. }
    specialize (IH (tl marks) (tl chosen) box (tl phases) (tl old) x W2 B H2 O').
    destruct (bounds P net w (tl marks) (tl chosen) box (tl phases) (tl old)) as [es fs]. destruct IH as [F G].
    set (r1 := match old with [] => interval P k es | e :: _ => _ end).
    assert (R1 : enclosed r1 (apply k (values net x))).
    { assert (R0 : enclosed (interval P k es) (apply k (values net x))) by (apply interval_sound; assumption).
      unfold r1. destruct old as [|e old]; [exact R0|]. destruct O as [O|O]; [discriminate|]. destruct O as [[O _] _].
      destruct (by_interval w); [apply meet_sound|]; assumption. }
    clearbody r1. clear O O'.
    set (f := if by_forms w then forms_of P k (entry_of k es [] r1) (shr P (negatives box)) fs else []).
    assert (FF : by_forms w = true -> Forall2 (form_fits P x) f (apply k (values net x))).
    { intros E. unfold f. rewrite E. apply forms_sound; [exact B|exact R1| |apply G, E].
      exact (lines_for_sound P k net es x (entry_of k es [] r1) [] W1 F eq_refl eq_refl). }
    clearbody f.
    set (r2 := if by_forms w && hd false marks then tighten P ((two P, two P) :: box) r1 f else r1).
    assert (R2 : enclosed r2 (apply k (values net x))).
    { unfold r2. destruct (by_forms w) eqn:E; cbn [andb]; [|exact R1]. destruct (hd false marks); [|exact R1].
      apply (tighten_sound P _ x); [constructor; [apply one_within|exact B]|exact R1|apply FF; reflexivity]. }
    clearbody r2.
    set (r3 := cut_all (hd [] phases) r2).
    assert (R3 : enclosed r3 (apply k (values net x))) by (apply cut_all_sound; assumption).
    clearbody r3. cbn zeta.
    set (r4 := if by_back w && hd false marks then _ else r3).
    assert (R4 : enclosed r4 (apply k (values net x))).
    { unfold r4. destruct (by_back w && hd false marks); [|exact R3]. apply cut_all_sound; [|exact H1].
      assert (F' : fits (k :: net) (entry_of k es [] r3 :: relined net es (tl chosen)) x).
      { assert (F2 : fits net (relined net es (tl chosen)) x) by (apply relined_fits; assumption).
        cbn [Walk.fits]. split; [split; [exact R3|reflexivity]|]. split; [|exact F2].
        exact (lines_for_sound P k net es x (entry_of k es [] r3) [] W1 F eq_refl eq_refl). }
      eapply by_rows_sound; [exact F'|exact B|eexists; reflexivity|exact R3|reflexivity]. }
    clearbody r4. split; [apply entry_fits; assumption|]. intros E. cbn [values]. constructor; [apply FF, E|apply G, E].
Qed.

(* ---- parts *)

Record part := Part { box : list (Z * Z); phases : list (list (nat * bool)); entries : list entry }.

Definition lies (net : list step) (p : part) (x : vec) : Prop :=
  enclosed (box p) x /\ phases_hold (phases p) (values net x) /\ (entries p = [] \/ fits net (entries p) x).

Fixpoint put {A} (s : nat) (f : A -> A) (d : A) (l : list A) : list A :=
  match s with
  | O => f (hd d l) :: tl l
  | S s' => hd d l :: put s' f d (tl l)
  end.

Fixpoint end_at (low : bool) (i : nat) (v : Z) (b : list (Z * Z)) {struct b} : list (Z * Z) :=
  match b, i with
  | [], _ => []
  | (l, h) :: b', O => (if low then (v, h) else (l, v)) :: b'
  | c :: b', S i' => c :: end_at low i' v b'
  end.

Lemma end_at_sound v : forall b x, enclosed b x -> forall i,
  enclosed (end_at true i v b) x \/ enclosed (end_at false i v b) x.
Proof.
  induction 1 as [|[l h] w b x [H1 H2] B IH]; intros i; [left; constructor|]. cbn [fst snd] in *.
  destruct i as [|i]; cbn [end_at].
  - destruct (Qlt_le_dec (ι v) (U * w)) as [D|D]; [left|right]; constructor; try exact B; split; cbn [fst snd]; lra.
  - destruct (IH i); [left|right]; constructor; try assumption; split; assumption.
Qed.

Lemma phases_put net x j above : forall s phases, phases_hold phases (values net x) ->
  has (nth s (values net x) []) (j, above) -> phases_hold (put s (cons (j, above)) [] phases) (values net x).
Proof.
  generalize (values net x). intros vs s. revert vs. induction s as [|s IH]; intros [|v vs] phases H1 H2; cbn [phases_hold put hd tl nth] in *;
    try exact I; destruct H1 as [H1 H3]; split; try assumption.
  - constructor; assumption.
  - apply IH; assumption.
Qed.

Fixpoint refresh (net : list step) (phases : list (list (nat * bool))) (es : list entry) : list entry :=
  match net, es with
  | k :: net', e :: es' =>
      let es'' := refresh net' (tl phases) es' in
      entry_of k es'' [] (cut_all (hd [] phases) (range e)) :: es''
  | _, _ => es
  end.

Lemma refresh_fits net x : forall phases es, forallb step_ok net = true -> phases_hold phases (values net x) ->
  fits net es x -> fits net (refresh net phases es) x.
Proof.
  induction net as [|k net IH]; intros phases [|e es] W H F; cbn [refresh]; try exact F.
  cbn [forallb] in W. apply andb_prop in W as [W1 W2]. cbn [values phases_hold Walk.fits] in H, F.
  destruct H as [H1 H2], F as [[K _] [_ F]].
  apply entry_fits; [exact W1|apply IH; assumption|]. apply cut_all_sound; assumption.
Qed.

(* ---- leaves *)

Definition row_of (c : list Z) : list (list Z) := [map (Z.mul (two P)) c].

Lemma total_row net x c : total (row_of c) (values net x) == U * dot c (hd [] (values net x)).
Proof.
  assert (T : forall vs : list vec, total [] vs == 0).
  { induction vs as [|u us IHu]; cbn [total hd tl]; [reflexivity|]. rewrite IHu. cbn. ring. }
  destruct (values net x) as [|v vs]; cbn [total row_of hd tl]; [rewrite dot_nil_r; ring|]. rewrite dot_scale, T. ring.
Qed.

Record refutation := Refutation { weight : list Z; slopes : list (list Z); multipliers : list (nat * nat * Z) }.

Fixpoint with_multipliers (phases : list (list (nat * bool))) (ms : list (nat * nat * Z)) (pending : list (list Z)) :
    option (list (list Z)) :=
  match ms with
  | [] => Some pending
  | (s, j, m) :: ms' =>
      match find (fun p => Nat.eqb (fst p) j) (nth s phases []) with
      | Some (_, above) =>
          if (0 <=? m)%Z
          then with_multipliers phases ms' (add_at s (unit j (if above then (- m)%Z else m)) pending)
          else None
      | None => None
      end
  end.

Lemma phases_nth : forall vs phases, phases_hold phases vs -> forall s p, In p (nth s phases []) -> has (nth s vs []) p.
Proof.
  induction vs as [|v vs IH]; intros phases H s p I.
  - destruct p as [j above]. unfold has. cbn [fst snd]. destruct s, j, above; cbn; lra.
  - destruct H as [H1 H2]. destruct s as [|s]; cbn [nth].
    + destruct phases as [|q phases]; [destruct I|]. cbn [hd nth] in *. rewrite Forall_forall in H1. apply H1, I.
    + apply (IH (tl phases) H2). destruct phases as [|q phases]; [destruct I|exact I].
Qed.

Lemma with_multipliers_sound phases vs : phases_hold phases vs -> forall ms pending found,
  with_multipliers phases ms pending = Some found -> total found vs <= total pending vs.
Proof.
  intros H. induction ms as [|[[s j] m] ms IH]; intros pending found E; cbn [with_multipliers] in E; [inversion E; lra|].
  destruct (find _ _) as [[j' above]|] eqn:F; [|discriminate]. destruct (Z.leb_spec 0 m) as [M|M]; [|discriminate].
  apply find_some in F as [I J]. apply Nat.eqb_eq in J. cbn [fst] in J. subst j'.
  pose proof (phases_nth vs phases H s _ I) as S. unfold has in S. cbn [fst snd] in S.
  apply IH in E. rewrite total_add_at, dot_unit in E. apply ι_le in M. change (ι 0) with 0 in M.
  destruct above; rewrite ?inject_Z_opp in E; nra.
Qed.

Definition refuted (net : list step) (p : part) (every : list constraint) (r : refutation) : bool :=
  let row := vecmat (weight r) (map terms every) in
  let limit := (scalar (weight r) (map bound every) * two P)%Z in
  match with_multipliers (phases p) (multipliers r) (row_of row) with
  | None => false
  | Some pending =>
      let (a, c) := back P net (relined net (entries p) (slopes r)) pending 0 in
      let found := least P a c (box p) in
      forallb (fun m => 0 <=? m)%Z (weight r) &&
      ((limit <? found)%Z || ((limit =? found)%Z && existsb (fun q => (0 <? fst q)%Z && strict (snd q)) (combine (weight r) every)))
  end.

Lemma weighted y : forall every ms, Forall (holds y) every -> forallb (fun m => 0 <=? m)%Z ms = true ->
  let v := dot (vecmat ms (map terms every)) y in
  let d := ι (scalar ms (map bound every)) in
  v <= d /\ (existsb (fun q => (0 <? fst q)%Z && strict (snd q)) (combine ms every) = true -> v < d).
Proof.
  cbn zeta. induction every as [|c every IH]; intros ms H M.
  - split; [destruct ms; apply Qle_refl|destruct ms; discriminate].
  - inversion H as [|c' every' H1 H2]; subst. destruct ms as [|m ms].
    { split; [apply Qle_refl|discriminate]. }
    cbn [forallb] in M. apply andb_prop in M as [M1 M2]. apply Z.leb_le in M1. destruct (IH ms H2 M2) as [I1 I2].
    rewrite dot_vecmat in *. cbn [map dot scalar combine existsb fst snd].
    rewrite inject_Z_plus, inject_Z_mult. unfold holds in H1.
    set (t := dot (terms c) y) in *. set (rest := dot ms _) in *. set (d := ι (scalar ms (map bound every))) in *.
    pose proof (ι_le _ _ M1) as M3. change (ι 0) with 0 in M3.
    assert (L : t <= ι (bound c)) by (destruct (strict c); lra).
    split; [nra|]. rewrite orb_true_iff, andb_true_iff, Z.ltb_lt. intros [[P1 P2]|E].
    + rewrite P2 in H1. apply ι_lt in P1. change (ι 0) with 0 in P1. nra.
    + specialize (I2 E). nra.
Qed.

Lemma refuted_sound net p every r x : forallb step_ok net = true -> lies net p x -> fits net (entries p) x ->
  refuted net p every r = true -> ~ Forall (holds (hd [] (values net x))) every.
Proof.
  unfold refuted. intros W [B [H _]] F E A.
  destruct (with_multipliers _ _ _) as [pending|] eqn:M; [|discriminate].
  pose proof (with_multipliers_sound _ _ H _ _ _ M) as T. rewrite total_row in T.
  pose proof (back_sound P net _ pending 0 x (relined_fits P net (entries p) (slopes r) x W F)) as K.
  destruct (back _ _ _ _ _) as [a c]. pose proof (least_sound P a c (box p) x B) as L. change (ι 0) with 0 in K.
  apply andb_prop in E as [E1 E2]. destruct (weighted _ every (weight r) A E1) as [V1 V2].
  set (v := dot _ _) in *. set (d := scalar _ _) in *. set (found := least P a c (box p)) in *. pose proof (U_pos P) as HU.
  assert (D : ι (d * two P) == U * ι d) by (rewrite inject_Z_mult; ring).
  apply orb_prop in E2 as [E2|E2].
  - apply Z.ltb_lt in E2. apply ι_lt in E2. rewrite D in E2. nra.
  - apply andb_prop in E2 as [E2 E3]. apply Z.eqb_eq in E2. rewrite <- E2, D in L. specialize (V2 E3). nra.
Qed.

(* ---- clips *)

Fixpoint narrow (a : list Z) (room : Z) (b : list (Z * Z)) : list (Z * Z) :=
  match a, b with
  | u :: a', (l, h) :: b' =>
      match u with
      | Z0 => (l, h)
      | Zpos _ => (l, Z.min h (l - (- room) / u))
      | Zneg _ => (Z.max l (h + room / u), h)
      end%Z :: narrow a' room b'
  | _, _ => b
  end.

Lemma narrow_sound room : forall b x, enclosed b x -> forall a,
  U * dot a x - ι (fst (ends a b)) <= ι room -> enclosed (narrow a room b) x.
Proof.
  induction 1 as [|[l h] v b x [H1 H2] B IH]; intros [|u a] R; cbn [narrow];
    [constructor|constructor|constructor; [split; assumption|exact B]|].
  specialize (IH a).
  pose proof (ends_sound P b x B a) as [E1 _]. cbn [dot ends fst snd] in *. destruct (ends a b) as [s t]. cbn [fst snd] in *.
  set (m := match u with Z0 => 0 | Zpos _ => ι u * (U * v - ι l) | Zneg _ => ι u * (U * v - ι h) end).
  assert (U0 : 0 <= m).
  { unfold m. destruct u as [|u|u]; [lra| |].
    - assert (0 < ι (Zpos u)) by (apply (ι_lt 0); lia). nra.
    - assert (ι (Zneg u) < 0) by (apply (ι_lt _ 0); lia). nra. }
  assert (R' : m + (U * dot a x - ι s) <= ι room).
  { unfold m. destruct u as [|u|u]; cbn [fst] in R; rewrite ?inject_Z_plus, ?inject_Z_mult in R; change (ι 0) with 0 in *; lra. }
  constructor; [|apply IH; lra].
  unfold m in *. destruct u as [|u|u]; split; cbn [fst snd]; try assumption.
  - apply min_ge; [assumption|]. set (q := (- room / Zpos u)%Z).
    assert (Q : (Zpos u * q <= - room)%Z) by (apply Z.mul_div_le; lia).
    apply ι_le in Q. rewrite inject_Z_mult, inject_Z_opp in Q. unfold Z.sub. rewrite inject_Z_plus, inject_Z_opp.
    assert (0 < ι (Zpos u)) by (apply (ι_lt 0); lia). nra.
  - apply max_le; [assumption|]. set (q := (room / Zneg u)%Z).
    assert (Q : (room <= Zneg u * q)%Z) by (apply Z.mul_div_ge; lia).
    apply ι_le in Q. rewrite inject_Z_mult in Q. rewrite inject_Z_plus.
    assert (ι (Zneg u) < 0) by (apply (ι_lt _ 0); lia). nra.
Qed.

Fixpoint clip (net : list step) (es : list entry) (every : list constraint) (b : list (Z * Z)) : option (list (Z * Z)) :=
  match every with
  | [] => Some b
  | k :: every' =>
      let (a, c) := back P net es (row_of (terms k)) 0 in
      let room := ((bound k * two P - c) * two P - fst (ends a b))%Z in
      if (room <? 0)%Z then None else clip net es every' (narrow a room b)
  end.

Lemma clip_sound net es x : fits net es x -> forall every b, enclosed b x ->
  Forall (holds (hd [] (values net x))) every -> exists b', clip net es every b = Some b' /\ enclosed b' x.
Proof.
  intros F. induction every as [|k every IH]; intros b B H; cbn [clip]; [exists b; split; [reflexivity|exact B]|].
  inversion H as [|k' every' H1 H2]; subst.
  pose proof (back_sound P net es (row_of (terms k)) 0 x F) as K.
  destruct (back _ _ _ _ _) as [a c]. rewrite total_row in K. change (ι 0) with 0 in K.
  assert (D : dot (terms k) (hd [] (values net x)) <= ι (bound k)) by (unfold holds in H1; destruct (strict k); lra).
  set (y := dot (terms k) _) in *. pose proof (U_pos P) as HU.
  pose proof (ends_sound P b x B a) as [E _].
  set (room := ((bound k * two P - c) * two P - fst (ends a b))%Z).
  assert (R : U * dot a x - ι (fst (ends a b)) <= ι room).
  { unfold room, Z.sub. rewrite inject_Z_plus, inject_Z_mult, inject_Z_plus, inject_Z_mult, !inject_Z_opp.
    assert (dot a x <= ι (bound k) * U - ι c) by nra. nra. }
  destruct (Z.ltb_spec room 0) as [N|N]; [apply ι_lt in N; change (ι 0) with 0 in N; lra|].
  apply IH; [apply narrow_sound; assumption|assumption].
Qed.

Fixpoint hull (a b : list (Z * Z)) : list (Z * Z) :=
  match a, b with
  | (l, h) :: a', (m, i) :: b' => (Z.min l m, Z.max h i) :: hull a' b'
  | _, _ => []
  end.
Definition join (a b : option (list (Z * Z))) : option (list (Z * Z)) :=
  match a, b with Some u, Some v => Some (hull u v) | None, _ => b | _, None => a end.

Lemma hull_sound a : forall b x, enclosed a x -> length a = length b -> enclosed (hull a b) x /\ enclosed (hull b a) x.
Proof.
  induction a as [|[l h] a IH]; intros [|[m i] b] x A E; try discriminate E; inversion A as [|p v a' x' [H1 H2] A']; subst;
    cbn [hull]; [split; constructor|]. destruct (IH b x' A') as [I1 I2]; [injection E; trivial|]. cbn [fst snd] in *.
  assert (ι (Z.min l m) <= U * v) by (eapply Qle_trans; [apply ι_le, Z.le_min_l|exact H1]).
  assert (U * v <= ι (Z.max h i)) by (eapply Qle_trans; [exact H2|apply ι_le, Z.le_max_l]).
  split; constructor; try assumption; split; cbn [fst snd]; rewrite 1?Z.min_comm, 1?Z.max_comm; try assumption.
  - rewrite Z.min_comm. assumption.
  - rewrite Z.max_comm. assumption.
Qed.


Lemma narrow_length room : forall a b, length (narrow a room b) = length b.
Proof. induction a as [|u a IH]; intros [|[l h] b]; cbn [narrow length]; try reflexivity. rewrite IH. reflexivity. Qed.

Lemma clip_length net es : forall every b b', clip net es every b = Some b' -> length b' = length b.
Proof.
  induction every as [|k every IH]; intros b b' E; cbn [clip] in E; [injection E as <-; reflexivity|].
  destruct (back _ _ _ _ _) as [a c]. destruct (_ <? 0)%Z; [discriminate|].
  apply IH in E. rewrite E. apply narrow_length.
Qed.

Fixpoint clips (net : list step) (es : list entry) (alternatives : list (list constraint)) (b : list (Z * Z)) :
    option (list (Z * Z)) :=
  match alternatives with
  | [] => None
  | every :: rest => join (clip net es every b) (clips net es rest b)
  end.

Lemma clips_length net es : forall alts b b', clips net es alts b = Some b' -> length b' = length b.
Proof.
  induction alts as [|every alts IH]; intros b b' E; cbn [clips] in E; [discriminate|].
  destruct (clip net es every b) as [u|] eqn:C; destruct (clips net es alts b) as [v|] eqn:D; cbn [join] in E;
    try discriminate; injection E as <-.
  - apply clip_length in C. apply IH in D. revert C D. revert b v. induction u as [|[l h] u IHu]; intros [|q b] [|[m i] v] C D;
      cbn in *; try discriminate; try reflexivity. f_equal. apply (IHu b v); congruence.
  - eapply clip_length, C.
  - apply IH, D.
Qed.

Lemma clips_sound net es x b : fits net es x -> enclosed b x -> forall alts,
  unsafe alts (hd [] (values net x)) -> exists b', clips net es alts b = Some b' /\ enclosed b' x.
Proof.
  intros F B. induction 1 as [every alts H|every alts H IH]; cbn [clips].
  - destruct (clip_sound net es x F every b B H) as [u [E G]]. rewrite E.
    destruct (clips net es alts b) as [v|] eqn:D; cbn [join]; [|exists u; split; [reflexivity|exact G]].
    exists (hull u v). split; [reflexivity|]. refine (proj1 (hull_sound u v x G _)).
    rewrite (clip_length _ _ _ _ _ E), (clips_length _ _ _ _ _ D). reflexivity.
  - destruct IH as [v [E G]]. rewrite E.
    destruct (clip net es every b) as [u|] eqn:D; cbn [join]; [|exists v; split; [reflexivity|exact G]].
    exists (hull u v). split; [reflexivity|]. refine (proj2 (hull_sound v u x G _)).
    rewrite (clip_length _ _ _ _ _ D), (clips_length _ _ _ _ _ E). reflexivity.
Qed.

(* ---- trees *)

Inductive tree :=
| Leaf (refutations : list refutation)                  (* nothing of the part is unsafe *)
| Bounded (w : ways) (t : tree)                         (* the same part, with bounds for it *)
| Clipped (chosen : list (list Z)) (t : tree)           (* what is left out of the part's box is safe *)
| Split (input : nat) (place : Z) (below above : tree)  (* x <= place and x >= place: together the part *)
| Phase (source element : nat) (below above : tree).    (* z <= 0 and z >= 0: likewise *)

Fixpoint all_refuted (net : list step) (p : part) (alts : list (list constraint)) (rs : list refutation) : bool :=
  match alts, rs with
  | [], _ => true
  | every :: alts', r :: rs' => refuted net p every r && all_refuted net p alts' rs'
  | _ :: _, [] => false
  end.

Definition absurd (p : part) : bool :=
  existsb (fun e => existsb (fun b : Z * Z => snd b <? fst b)%Z (range e)) (entries p).

Definition known (p : part) : bool := match entries p with [] => false | _ => true end.

Fixpoint safe (net : list step) (alts : list (list constraint)) (p : part) (t : tree) : bool :=
  match t with
  | Leaf rs => if absurd p then true else if known p then all_refuted net p alts rs else false
  | Bounded w t' =>
      safe net alts
        (Part (box p) (phases p) (fst (bounds P net w (marks w) (chosen w) (box p) (phases p) (entries p)))) t'
  | Clipped c t' =>
      if known p then
        match clips net (relined net (entries p) c) alts (box p) with
        | None => true
        | Some b => safe net alts (Part b (phases p) (entries p)) t'
        end
      else false
  | Split i v b a =>
      if safe net alts (Part (end_at false i v (box p)) (phases p) (entries p)) b
      then safe net alts (Part (end_at true i v (box p)) (phases p) (entries p)) a
      else false
  | Phase s j b a =>
      let side above :=
        let ph := put s (cons (j, above)) [] (phases p) in Part (box p) ph (refresh net ph (entries p)) in
      if safe net alts (side false) b then safe net alts (side true) a else false
  end.

Lemma within_order b v : within b v -> (fst b <= snd b)%Z.
Proof. intros [H1 H2]. rewrite Zle_Qle. lra. Qed.

Lemma fits_in net x : forall es e, fits net es x -> In e es -> exists v, enclosed (range e) v.
Proof.
  induction net as [|k net IH]; intros [|d es] e F I; cbn [Walk.fits] in F; try contradiction.
  - destruct es; [|contradiction]. destruct I as [<-|[]]. exists x. apply F.
  - destruct F as [[K _] [_ F]]. destruct I as [<-|I]; [eexists; exact K|]. eapply IH; eassumption.
Qed.

Lemma absurd_sound net p x : lies net p x -> absurd p = true -> False.
Proof.
  unfold absurd. intros [_ [_ F]] E. apply existsb_exists in E as [e [I E]]. apply existsb_exists in E as [b [J E]].
  destruct F as [F|F]; [rewrite F in I; destruct I|]. destruct (fits_in net x _ e F I) as [v G].
  apply Z.ltb_lt in E. assert (fst b <= snd b)%Z; [|lia]. clear - G J. revert J.
  induction G as [|c w r v H G IH]; intros J; [destruct J|].
  destruct J as [<-|J]; [eapply within_order; exact H|apply IH, J].
Qed.

Lemma known_fits net p x : lies net p x -> known p = true -> fits net (entries p) x.
Proof. unfold known. intros [_ [_ [F|F]]] E; [rewrite F in E; discriminate|exact F]. Qed.

Lemma all_refuted_sound net p x : forallb step_ok net = true -> lies net p x -> fits net (entries p) x ->
  forall alts rs, all_refuted net p alts rs = true -> ~ unsafe alts (hd [] (values net x)).
Proof.
  intros W L F. induction alts as [|every alts IH]; intros rs E N; [inversion N|].
  destruct rs as [|r rs]; cbn [all_refuted] in E; [discriminate|]. apply andb_prop in E as [E1 E2].
  inversion N as [? ? H|? ? H]; subst; [|exact (IH rs E2 H)]. exact (refuted_sound net p every r x W L F E1 H).
Qed.

Lemma safe_sound net alts x : forallb step_ok net = true -> forall t p, safe net alts p t = true -> lies net p x ->
  ~ unsafe alts (hd [] (values net x)).
Proof.
  intros W. induction t as [rs|w t IH|c t IH|i v b IHb a IHa|s j b IHb a IHa]; intros p E L; cbn [safe] in E.
  - destruct (absurd p) eqn:A; [destruct (absurd_sound net p x L A)|].
    destruct (known p) eqn:K; [|discriminate].
    eapply all_refuted_sound; [exact W|exact L|apply known_fits; assumption|exact E].
  - apply (IH _ E). destruct L as [B [H F]]. split; [exact B|]. split; [exact H|]. right. cbn [entries].
    pose proof (bounds_sound w net (marks w) (chosen w) (box p) (phases p) (entries p) x W B H F) as S.
    destruct (bounds _ _ _ _ _ _ _ _). apply S.
  - destruct (known p) eqn:K; [|discriminate]. pose proof (known_fits net p x L K) as F. destruct L as [B [H _]].
    intros N. destruct (clips_sound net _ x _ (relined_fits P net (entries p) c x W F) B alts N) as [b' [C B']]. rewrite C in E.
    refine (IH _ E _ N). split; [exact B'|]. split; [exact H|]. right. exact F.
  - destruct (safe net alts _ b) eqn:Eb; [|discriminate]. destruct L as [B [H F]].
    destruct (end_at_sound v (box p) x B i) as [D|D].
    + apply (IHa _ E). split; [exact D|]. split; assumption.
    + apply (IHb _ Eb). split; [exact D|]. split; assumption.
  - set (side := fun above : bool =>
      let ph := put s (cons (j, above)) [] (phases p) in Part (box p) ph (refresh net ph (entries p))).
    change ((if safe net alts (side false) b then safe net alts (side true) a else false) = true) in E. destruct (safe net alts (side false) b) eqn:Eb; [|discriminate].
    destruct L as [B [H F]].
    assert (S : forall above, has (nth s (values net x) []) (j, above) -> lies net (side above) x).
    { intros above A. pose proof (phases_put net x j above s (phases p) H A) as H'.
      split; [exact B|]. split; [exact H'|]. cbn [side entries].
      destruct F as [F|F]; [left; rewrite F; destruct net; reflexivity|right; apply refresh_fits; assumption]. }
    destruct (Qlt_le_dec 0 (nth j (nth s (values net x) []) 0)) as [D|D].
    + apply (IHa _ E), S. unfold has. cbn [fst snd]. lra.
    + apply (IHb _ Eb), S. unfold has. cbn [fst snd]. exact D.
Qed.

(* ---- the region *)

Definition grid (region : list (Q * Q)) : list (Z * Z) :=
  map (fun b : Q * Q => (Qfloor (fst b * U), Qceiling (snd b * U))) region.

Lemma grid_sound region x : inside x region -> enclosed (grid region) x.
Proof.
  unfold inside, grid. induction 1 as [|v [l h] x r [H1 H2] F IH]; cbn [map]; constructor; [|exact IH].
  cbn [fst snd] in *. pose proof (U_pos P). pose proof (Qfloor_le (l * U)). pose proof (Qle_ceiling (h * U)).
  split; cbn [fst snd]; nra.
Qed.

Definition case := (list (Q * Q) * list (list constraint))%type.  (* a region, and what is unsafe there *)

Fixpoint verified (net : list step) (cases : list case) (trees : list tree) : bool :=
  match cases, trees with
  | [], _ => true
  | (region, alternatives) :: cases', t :: trees' =>
      if safe net alternatives (Part (grid region) [] []) t then verified net cases' trees' else false
  | _ :: _, [] => false
  end.

Definition verified_all (network : list step) (cases : list case) (trees : list tree) : bool :=
  let net := rev network in if forallb step_ok net then verified net cases trees else false.

Lemma run_values network x : run network x = hd [] (values (rev network) x).
Proof.
  unfold run. f_equal. rewrite <- fold_left_rev_right. generalize (rev network). intros net.
  induction net as [|k net IH]; cbn [values fold_right]; [reflexivity|]. rewrite IH. reflexivity.
Qed.

End Precision.

Theorem verified_sound P network claim trees : verified_all P network claim trees = true ->
  forall region alternatives, In (region, alternatives) claim ->
  forall x, inside x region -> ~ unsafe alternatives (run network x).
Proof.
  unfold verified_all. destruct (forallb step_ok (rev network)) eqn:W; [|discriminate]. revert trees.
  induction claim as [|[r a] claim IH]; intros trees E region alternatives I x X; [destruct I|].
  destruct trees as [|t trees]; cbn [verified] in E; [discriminate|].
  destruct (safe P (rev network) a (Part (grid P r) [] []) t) eqn:S; [|discriminate].
  destruct I as [I|I]; [|exact (IH trees E region alternatives I x X)]. injection I as -> ->.
  rewrite run_values. apply (safe_sound P _ _ _ W t _ S).
  split; [apply grid_sound, X|]. split; [|left; reflexivity].
  cbn [phases]. generalize (values (rev network) x). induction l as [|v vs IHv]; cbn; [trivial|split; [constructor|exact IHv]].
Qed.
