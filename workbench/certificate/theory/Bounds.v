(* Bounds of every vector of a network: intervals, linear functions of the input, and rows walked back through it.

   Networks are lists with the newest step first here, and so are vectors, their bounds, and coefficients of them. *)
From Coq Require Import ZArith QArith List Lia Lqa Bool.
From NNWorkbench Require Import Network Arithmetic.
Import ListNotations.
Local Open Scope Q_scope.

Fixpoint values (net : list step) (x : vec) : list vec :=
  match net with
  | [] => [x]
  | k :: net' => apply k (values net' x) :: values net' x
  end.

(* Two lines that enclose a relu: 2^-shift a z <= relu z <= 2^-shift s z + t units.  Dead: it is 0.  Same: it is z. *)
Inductive line := Dead | Same | Bent (a s t : Z).
(* What is known of a vector: ranges in units; of a relu's result its lines; of an affine step's its rows with 0 where
   what they multiply is 0; and the sum of the negative ends of the ranges, which rounding costs. *)
Record entry := Entry { range : list (Z * Z); lines : list line; sparse : list (list Z); owed : Z }.
Definition nothing := Entry [] [] [] 0.

Definition form := (list Z * list Z)%type.  (* below v, and below -v: of (1, x) *)

Lemma Forall2_nth {A B} (R : A -> B -> Prop) (a : A) (b : B) : R a b ->
  forall l m, Forall2 R l m -> forall s, R (nth s l a) (nth s m b).
Proof. intros H l m F. induction F; intros [|s]; cbn; auto. Qed.

Section Precision.
Variable P : N.
Notation U := (ι (two P)).
Notation enclosed := (enclosed P).
Notation within := (within P).

(* ---- relu *)

Definition slopes_shift (e : N) : N := N.max 16 e.
Definition clamp (a b z : Z) : Z := Z.max a (Z.min b z).

Definition line_of (e : N) (al : Z) (chosen : Z) (b : Z * Z) : line :=
  let (l, h) := b in
  if (0 <=? l)%Z then Same
  else if ((h <=? 0) && (al =? 0))%Z then Dead
  else
    let sh := slopes_shift e in
    let one := two sh in
    let flat := (al * two (sh - e))%Z in
    if (h <=? 0)%Z then Bent flat flat 0
    else
      let s := clamp flat one (- ((l * flat - h * one) / (h - l)))%Z in
      let t := (- shr sh (- Z.max (l * flat - s * l) (h * one - s * h)))%Z in
      let a := if (chosen <? 0)%Z then if (- l <? h)%Z then one else flat
               else clamp flat one (chosen * two (sh - 16))%Z in
      Bent a s t.

Definition relu_fits (e : N) (al : Z) : bool := (0 <=? al)%Z && (al <=? two e)%Z.

Definition good_line (e : N) (al : Z) (k : line) (z : Q) : Prop :=
  match k with
  | Dead => relu e al z == 0
  | Same => relu e al z == z
  | Bent a s t =>
      let o := over (slopes_shift e) in
      (0 <= a)%Z /\ (0 <= s)%Z /\ ι a * o * z <= relu e al z /\ U * relu e al z <= ι s * o * (U * z) + ι t
  end.

Lemma relu_pos e al z : 0 <= z -> relu e al z == z.
Proof. intros H. unfold relu. destruct (Qle_bool 0 z) eqn:E; [reflexivity|]. apply Qle_bool_iff in H. congruence. Qed.

Lemma relu_neg e al z : z <= 0 -> relu e al z == ι al * over e * z.
Proof.
  intros H. unfold relu. destruct (Qle_bool 0 z) eqn:E; [|reflexivity].
  apply Qle_bool_iff in E. assert (Z : z == 0) by lra. rewrite Z. ring.
Qed.

Lemma two_split a b : (b <= a)%N -> (two a = two (a - b) * two b)%Z.
Proof. intros H. unfold two. rewrite <- Z.pow_add_r by lia. f_equal. lia. Qed.

Lemma over_split a b : (b <= a)%N -> ι (two (a - b)) * over a == over b.
Proof.
  intros H. pose proof (over_two a) as A. pose proof (over_two b) as B.
  rewrite (two_split a b H), inject_Z_mult in A.
  setoid_replace (ι (two (a - b)) * over a) with (ι (two (a - b)) * over a * (over b * ι (two b))) by (rewrite B; ring).
  setoid_replace (ι (two (a - b)) * over a * (over b * ι (two b))) with (over a * (ι (two (a - b)) * ι (two b)) * over b) by ring.
  rewrite A. ring.
Qed.

Lemma up_spec e p : ι p * over e <= ι (- shr e (- p)).
Proof. destruct (shr_spec e (- p)) as [S _]. rewrite inject_Z_opp in S. rewrite inject_Z_opp. lra. Qed.

Lemma line_sound e al chosen b z : relu_fits e al = true -> within b z -> good_line e al (line_of e al chosen b) z.
Proof.
  unfold relu_fits. rewrite andb_true_iff, !Z.leb_le. intros [A0 A1] [Hl Hh]. destruct b as [l h]. cbn [fst snd] in *.
  pose proof (U_pos P) as HU. set (sh := slopes_shift e).
  assert (SH : (e <= sh)%N) by (unfold sh, slopes_shift; lia).
  pose proof (over_pos sh) as O. pose proof (over_two sh) as T.
  set (one := two sh) in *. set (flat := (al * two (sh - e))%Z).
  assert (F : ι flat * over sh == ι al * over e).
  { unfold flat. rewrite inject_Z_mult. rewrite <- (over_split sh e SH). ring. }
  pose proof (two_pos (sh - e)) as TP.
  assert (FO : (0 <= flat <= one)%Z).
  { unfold flat, one. rewrite (two_split sh e SH). split; [nia|]. rewrite Z.mul_comm. apply Z.mul_le_mono_nonneg_l; lia. }
  unfold line_of. destruct (Z.leb_spec 0 l) as [L|L].
  { apply relu_pos. apply ι_le in L. change (ι 0) with 0 in L. assert (0 <= U * z) by lra. nra. }
  destruct (Z.leb_spec h 0) as [H|H]; cbn [andb].
  - assert (z <= 0). { apply ι_le in H. change (ι 0) with 0 in H. assert (U * z <= 0) by lra. nra. }
    pose proof (relu_neg e al z H0) as R.
    destruct (Z.eqb_spec al 0) as [E|E].
    + cbn [good_line]. rewrite R, E. change (ι 0) with 0. ring.
    + cbn [good_line]. fold sh one flat. repeat split; try lia.
      * rewrite R, F. lra.
      * rewrite R, F. change (ι 0) with 0. lra.
  - fold sh one flat. set (s := clamp flat one (- ((l * flat - h * one) / (h - l)))).
    assert (SB : (flat <= s <= one)%Z) by (unfold s, clamp; lia). clearbody s.
    set (a := if (chosen <? 0)%Z then _ else _).
    assert (AB : (flat <= a <= one)%Z)
      by (unfold a; destruct (chosen <? 0)%Z; [destruct (- l <? h)%Z; lia|unfold clamp; lia]). clearbody a.
    set (m := Z.max (l * flat - s * l) (h * one - s * h)).
    pose proof (up_spec sh m) as TB. set (t := (- shr sh (- m))%Z) in *. clearbody t.
    assert (M1 : ι (l * flat - s * l) <= ι m) by (apply ι_le; lia).
    assert (M2 : ι (h * one - s * h) <= ι m) by (apply ι_le; lia).
    unfold Z.sub in M1, M2. rewrite !inject_Z_plus, !inject_Z_opp, !inject_Z_mult in M1, M2.
    destruct FO as [FO1 FO2], SB as [SB1 SB2], AB as [AB1 AB2].
    assert (S0 : (0 <= s)%Z) by lia. assert (A2 : (0 <= a)%Z) by lia.
    apply ι_le in FO1, FO2, SB1, SB2, AB1, AB2. apply ι_lt in L, H. change (ι 0) with 0 in *.
    cbn [good_line]. fold sh. set (o := over sh) in *. repeat split; try assumption.
    + destruct (Qlt_le_dec z 0) as [Hz|Hz].
      * rewrite (relu_neg e al z) by lra. rewrite <- F.
        assert (0 <= (ι a - ι flat) * o) by nra. nra.
      * rewrite (relu_pos e al z) by lra. assert (o * ι a <= 1) by nra. nra.
    + set (Y := U * z) in *. destruct (Qlt_le_dec z 0) as [Hz|Hz].
      * setoid_replace (U * relu e al z) with (ι flat * o * Y)
          by (rewrite (relu_neg e al z) by lra; rewrite <- F; unfold Y; ring).
        assert (ι flat * ι l - ι s * ι l + (ι s - ι flat) * Y >= 0) by nra.
        assert ((ι flat - ι s) * Y <= ι m) by nra.
        assert ((ι flat - ι s) * Y * o <= ι m * o) by (apply Qmult_le_compat_r; lra). lra.
      * setoid_replace (U * relu e al z) with (ι one * o * Y)
          by (rewrite (relu_pos e al z) by lra; rewrite (Qmult_comm (ι one)), T; unfold Y; ring).
        assert (0 <= Y) by (unfold Y; nra).
        assert ((ι one - ι s) * Y <= ι m) by nra.
        assert ((ι one - ι s) * Y * o <= ι m * o) by (apply Qmult_le_compat_r; lra). lra.
Qed.

End Precision.
