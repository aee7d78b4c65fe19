(* Counterexamples: a point's outputs computed exactly, as integers over d 2^k with one k for each vector. *)
From Coq Require Import ZArith QArith List Lia Lqa Bool.
From NNWorkbench Require Import Network Arithmetic Taps Bounds Tree.
Import ListNotations.
Local Open Scope Q_scope.

Definition point := (list Z * N)%type.

Fixpoint scalar_by (a b : list Z) : Z :=
  match a, b with u :: a', v :: b' => (u * v + scalar_by a' b')%Z | _, _ => 0%Z end.

Fixpoint sums (x y : list Z) : list Z :=
  match x, y with
  | a :: x', b :: y' => (a + b)%Z :: sums x' y'
  | [], _ => y
  | _, [] => x
  end.

Section Denominator.
Variable d : Z.

Definition exactly (k : step) (before : list point) : point :=
  let of s := nth s before ([], 0%N) in
  match k with
  | Affine s e rows => let (v, n) := of s in (map (fun row => scalar_by row ((d * two n)%Z :: v)) rows, (n + e)%N)
  | Conv s e reads rows =>
      let (v, n) := of s in
      let known := kept 0%Z v in
      let patches := map (fun tap => (d * two n)%Z :: map (look 0%Z known) tap) reads in
      (flat_map (fun row => map (scalar_by row) patches) rows, (n + e)%N)
  | Shift s e b =>
      let (v, n) := of s in
      (sums (map (Z.mul (two e)) v) (map (fun b => b * (d * two n))%Z b), (n + e)%N)
  | Relu s e al => let (v, n) := of s in (map (fun z => if 0 <=? z then two e * z else al * z)%Z v, (n + e)%N)
  | Add s t =>
      let (v, n) := of s in
      let (w, m) := of t in
      let most := N.max n m in
      (sums (map (Z.mul (two (most - n))) v) (map (Z.mul (two (most - m))) w), most)
  end.

Fixpoint all_exactly (net : list step) (x : list Z) : list point :=
  match net with
  | [] => [(x, 0%N)]
  | k :: net' => let before := all_exactly net' x in exactly k before :: before
  end.

Hypothesis positive : (0 < d)%Z.

Definition is (n : N) (a : Z) (q : Q) : Prop := ι a * over n == q * ι d.
Definition held (r : point) (v : vec) : Prop := Forall2 (is (snd r)) (fst r) v.

Lemma is_one n : is n (d * two n) 1.
Proof. unfold is. rewrite inject_Z_mult. pose proof (over_two n) as T. rewrite <- (Qmult_1_l (ι d)), <- T. ring. Qed.

Lemma over_add n e : over (n + e) == over n * over e.
Proof.
  pose proof (over_split (n + e) e) as S. rewrite <- S by lia. replace (n + e - e)%N with n by lia.
  rewrite Qmult_assoc, over_two. ring.
Qed.

Lemma is_scaled n m a q : is n a q -> is (n + m) (two m * a) q.
Proof.
  unfold is. intros H. rewrite over_add, inject_Z_mult, <- H.
  setoid_replace (ι (two m) * ι a * (over n * over m)) with (over m * ι (two m) * (ι a * over n)) by ring.
  rewrite over_two. ring.
Qed.

Lemma scalar_is n e : forall row v q, Forall2 (is n) v q -> is (n + e) (scalar_by row v) (dot row q * over e).
Proof.
  intros row v q F. unfold is. rewrite over_add. revert row. induction F as [|a p v q H F IH]; intros [|u row]; cbn [scalar_by dot];
    try (change (ι 0) with 0; ring).
  rewrite inject_Z_plus, inject_Z_mult. unfold is in H.
  setoid_replace ((ι u * ι a + ι (scalar_by row v)) * (over n * over e)) with
    (ι u * (ι a * over n) * over e + ι (scalar_by row v) * (over n * over e)) by ring.
  rewrite H, IH. ring.
Qed.

Lemma sums_is n : forall x p, Forall2 (is n) x p -> forall y q, Forall2 (is n) y q -> Forall2 (is n) (sums x y) (plus p q).
Proof.
  induction 1 as [|a p x ps H F IH]; intros y q G; [exact G|]. inversion G as [|b r y' qs H' G']; subst; cbn [sums plus].
  - constructor; assumption.
  - constructor; [|apply IH, G']. unfold is in *. rewrite inject_Z_plus.
    setoid_replace ((ι a + ι b) * over n) with (ι a * over n + ι b * over n) by ring. rewrite H, H'. ring.
Qed.

Lemma scaled_all n m : forall v q, Forall2 (is n) v q -> Forall2 (is (n + m)) (map (Z.mul (two m)) v) q.
Proof. induction 1; cbn [map]; constructor; [apply is_scaled; assumption|assumption]. Qed.

Lemma relu_is n e al a q : is n a q -> is (n + e) (if (0 <=? a)%Z then two e * a else al * a)%Z (relu e al q).
Proof.
  intros H. pose proof (over_pos n) as O. assert (D : 0 < ι d) by (apply (ι_lt 0); exact positive). unfold is in H.
  destruct (Z.leb_spec 0 a) as [L|L].
  - assert (0 <= q). { apply ι_le in L. change (ι 0) with 0 in L. destruct (Qlt_le_dec q 0); [nra|assumption]. }
    pose proof (is_scaled n e a q H) as S. unfold is in *. rewrite (relu_pos e al q) by assumption. exact S.
  - assert (q <= 0). { apply ι_lt in L. change (ι 0) with 0 in L. destruct (Qlt_le_dec 0 q); [nra|assumption]. }
    unfold is. rewrite (relu_neg e al q) by assumption. rewrite over_add, inject_Z_mult.
    setoid_replace (ι al * ι a * (over n * over e)) with (ι al * over e * (ι a * over n)) by ring. rewrite H. ring.
Qed.

Lemma exactly_held k before vs : Forall2 held before vs -> held (exactly k before) (apply k vs).
Proof.
  intros F.
  assert (N : forall s, held (nth s before ([], 0%N)) (nth s vs [])).
  { intros s. apply (Forall2_nth held); [constructor|exact F]. }
  destruct k as [s e rows|s e reads rows|s e b|s e al|s t]; cbn [exactly apply]; pose proof (N s) as H;
    destruct (nth s before ([], 0%N)) as [v n]; unfold held in *; cbn [fst snd] in *; set (q := nth s vs []) in *; clearbody q.
  - induction rows as [|row rows IH]; cbn [map]; constructor; [|exact IH]. apply scalar_is. constructor; [apply is_one|exact H].
  - assert (P : forall tap, Forall2 (is n) ((d * two n)%Z :: map (look 0%Z (kept 0%Z v)) tap) (1 :: map (element q) tap)).
    { intros tap. constructor; [apply is_one|]. induction tap as [|k tap IH]; cbn [map]; constructor; [|exact IH].
      rewrite look_kept. unfold element. assert (Z0 : is n 0 0) by (unfold is; change (ι 0) with 0; ring).
      destruct (k <? 0)%Z; [exact Z0|]. apply (Forall2_nth (is n)); assumption. }
    induction rows as [|row rows IH]; cbn [flat_map]; [constructor|]. apply Forall2_app; [|exact IH]. clear IH.
    induction reads as [|tap reads IH]; cbn [map]; constructor; [|exact IH]. apply scalar_is, P.
  - apply sums_is; [apply scaled_all, H|]. clear H N. induction b as [|b bs IH]; cbn [map]; constructor; [|exact IH].
    pose proof (is_one n) as O. unfold is in *. rewrite over_add, inject_Z_mult.
    setoid_replace (ι b * ι (d * two n) * (over n * over e)) with (ι b * over e * (ι (d * two n) * over n)) by ring.
    rewrite O. ring.
  - induction H as [|a p v q H F' IH]; cbn [map]; constructor; [apply relu_is, H|exact IH].
  - pose proof (N t) as H'. destruct (nth t before ([], 0%N)) as [w m]. cbn [fst snd] in *.
    apply sums_is.
    + replace (N.max n m) with (n + (N.max n m - n))%N at 1 by lia. apply scaled_all, H.
    + replace (N.max n m) with (m + (N.max n m - m))%N at 1 by lia. apply scaled_all, H'.
Qed.

Lemma all_held net x q : Forall2 (is 0) x q -> Forall2 held (all_exactly net x) (values net q).
Proof.
  intros F. induction net as [|k net IH]; cbn [all_exactly values]; constructor; try constructor; try exact F; try exact IH.
  apply exactly_held, IH.
Qed.

(* ---- what is unsafe *)

Definition breaks (y : point) (c : constraint) : bool :=
  let found := scalar_by (terms c) (fst y) in
  let limit := (bound c * (d * two (snd y)))%Z in
  if strict c then (found <? limit)%Z else (found <=? limit)%Z.

Lemma breaks_sound y q c : held y q -> breaks y c = true -> holds q c.
Proof.
  intros H. unfold breaks, holds. pose proof (scalar_is (snd y) 0 (terms c) _ _ H) as S.
  rewrite N.add_0_r in S. unfold is in S. assert (E : over 0 == 1) by reflexivity. rewrite E in S.
  set (found := scalar_by _ _) in *. set (v := dot _ _) in *.
  pose proof (over_pos (snd y)) as O. assert (D : 0 < ι d) by (apply (ι_lt 0); exact positive).
  pose proof (over_two (snd y)) as T.
  assert (L : ι (bound c * (d * two (snd y))) * over (snd y) == ι (bound c) * ι d).
  { rewrite !inject_Z_mult. setoid_replace (ι (bound c) * (ι d * ι (two (snd y))) * over (snd y)) with
      (ι (bound c) * ι d * (over (snd y) * ι (two (snd y)))) by ring. rewrite T. ring. }
  set (limit := (bound c * _)%Z) in *. destruct (strict c).
  - rewrite Z.ltb_lt. intros B. apply ι_lt in B. assert (ι found * over (snd y) < ι limit * over (snd y)) by (apply Qmult_lt_compat_r; lra).
    rewrite S, L in H0. apply (Qmult_lt_r _ _ (ι d)); [exact D|]. lra.
  - rewrite Z.leb_le. intros B. apply ι_le in B. assert (ι found * over (snd y) <= ι limit * over (snd y)) by (apply Qmult_le_compat_r; lra).
    rewrite S, L in H0. apply (Qmult_le_r _ _ (ι d)); [exact D|]. lra.
Qed.
End Denominator.

Definition is_unsafe (d : Z) (y : point) (alternatives : list (list constraint)) : bool :=
  existsb (forallb (breaks d y)) alternatives.

Lemma is_unsafe_sound d y q alternatives : (0 < d)%Z -> held d y q -> is_unsafe d y alternatives = true -> unsafe alternatives q.
Proof.
  intros D H. unfold is_unsafe, unsafe. rewrite existsb_exists, Exists_exists. intros [every [I E]]. exists every. split; [exact I|].
  rewrite Forall_forall. rewrite forallb_forall in E. intros c J. exact (breaks_sound d D y q c H (E c J)).
Qed.

Fixpoint is_inside (x : vec) (region : list (Q * Q)) : bool :=
  match x, region with
  | [], [] => true
  | v :: x', (l, h) :: r' => Qle_bool l v && Qle_bool v h && is_inside x' r'
  | _, _ => false
  end.

Lemma is_inside_sound : forall x region, is_inside x region = true -> inside x region.
Proof.
  unfold inside. induction x as [|v x IH]; intros [|[l h] r] E; try discriminate; constructor; cbn [is_inside] in E;
    apply andb_prop in E as [E E']; apply andb_prop in E as [E1 E2].
  - cbn [fst snd]. split; apply Qle_bool_iff; assumption.
  - apply IH, E'.
Qed.

Definition is_away (x : vec) (region : list (Q * Q)) (ends : list (nat * bool)) : bool :=
  forallb (fun e : nat * bool => let (i, upper) := e in
    negb (if upper then Qle_bool (snd (nth i region (0, 0))) (nth i x 0)
          else Qle_bool (nth i x 0) (fst (nth i region (0, 0))))) ends.

Lemma is_away_sound x region ends : is_away x region ends = true -> away x region ends.
Proof.
  unfold is_away, away. rewrite forallb_forall, Forall_forall. intros H e I. specialize (H e I). destruct e as [i upper].
  assert (B : forall a b, negb (Qle_bool a b) = true -> b < a).
  { intros a b E. destruct (Qlt_le_dec b a) as [L|L]; [exact L|]. apply Qle_bool_iff in L. rewrite L in E. discriminate. }
  destruct upper; apply B, H.
Qed.

Definition open_case := (list (Q * Q) * list (nat * bool) * list (list constraint))%type.

Definition refutes (network : list step) (cases : list open_case) (number : nat) (d : Z) (x : vec) : bool :=
  let numerators := map (fun q => Qnum q * (d / Zpos (Qden q)))%Z x in
  match nth_error cases number with
  | None => false
  | Some (region, ends, alternatives) =>
      (0 <? d)%Z &&
      forallb (fun p : Z * Q => let (n, q) := p in Qeq_bool (ι n) (q * ι d)) (combine numerators x) &&
      is_inside x region && is_away x region ends &&
      is_unsafe d (hd ([], 0%N) (all_exactly d (rev network) numerators)) alternatives
  end.

Theorem falsified_sound network claim number d x : refutes network claim number d x = true ->
  exists region ends alternatives, In (region, ends, alternatives) claim /\
    inside x region /\ away x region ends /\ unsafe alternatives (run network x).
Proof.
  unfold refutes. intros E. destruct (nth_error claim number) as [[[region ends] alternatives]|] eqn:C; [|discriminate].
  apply andb_prop in E as [E E5]. apply andb_prop in E as [E E4]. apply andb_prop in E as [E E3]. apply andb_prop in E as [E1 E2].
  apply Z.ltb_lt in E1. exists region, ends, alternatives.
  split; [eapply nth_error_In; exact C|]. split; [apply is_inside_sound, E3|]. split; [apply is_away_sound, E4|].
  rewrite run_values. set (nums := map _ x) in *.
  assert (N : Forall2 (is d 0) nums x).
  { assert (L : length nums = length x) by apply map_length. clearbody nums. revert L E2. generalize x. clear.
    induction nums as [|n nums IH]; intros [|q x] L E; try discriminate L; constructor; cbn [combine forallb] in E;
      apply andb_prop in E as [E1 E2].
    - apply Qeq_bool_iff in E1. unfold is. rewrite E1. assert (O : over 0 == 1) by reflexivity. rewrite O. ring.
    - apply IH; [injection L; trivial|exact E2]. }
  pose proof (all_held d E1 (rev network) nums x N) as A.
  apply (is_unsafe_sound d _ _ _ E1) with (2 := E5).
  destruct A as [|r v rs vs H A]; [constructor|exact H].
Qed.
