(* Integers in units of 2^-P that bound rationals; rounding down, and what it costs. *)
From Coq Require Import ZArith QArith List Lia Lqa Bool.
From NNWorkbench Require Import Network.
Import ListNotations.
Local Open Scope Q_scope.

Definition two (e : N) : Z := 2 ^ Z.of_N e.
Definition shr (e : N) (p : Z) : Z := Z.shiftr p (Z.of_N e).

Lemma two_pos e : (0 < two e)%Z.
Proof. unfold two. apply Z.pow_pos_nonneg; lia. Qed.

Lemma ι_le a b : (a <= b)%Z -> ι a <= ι b.
Proof. rewrite <- Zle_Qle. trivial. Qed.

Lemma ι_lt a b : (a < b)%Z -> ι a < ι b.
Proof. rewrite <- Zlt_Qlt. trivial. Qed.

Lemma ι_two_pos e : 0 < ι (two e).
Proof. apply (ι_lt 0), two_pos. Qed.

Lemma over_two e : over e * ι (two e) == 1.
Proof. unfold over. fold (two e). rewrite Qmult_comm. apply Qmult_inv_r. pose proof (ι_two_pos e). lra. Qed.

Lemma over_pos e : 0 < over e.
Proof. unfold over. apply Qinv_lt_0_compat, ι_two_pos. Qed.

Ltac zq := rewrite ?inject_Z_plus, ?inject_Z_mult, ?inject_Z_opp.

(* Rounding down an integer multiple of 2^-e. *)
Lemma shr_spec e p : ι (shr e p) <= ι p * over e /\ ι p * over e < ι (shr e p) + 1.
Proof.
  unfold shr. rewrite Z.shiftr_div_pow2 by lia. fold (two e).
  pose proof (two_pos e) as H. pose proof (Z.mul_div_le p (two e) H). pose proof (Z.mul_succ_div_gt p (two e) H).
  pose proof (over_two e) as E. pose proof (over_pos e) as O.
  set (d := (p / two e)%Z) in *.
  assert (A : ι (two e) * ι d <= ι p) by (rewrite <- inject_Z_mult; apply ι_le; lia).
  assert (B : ι p < ι (two e) * (ι d + 1)).
  { replace (ι d + 1) with (ι (Z.succ d)) by (unfold Z.succ; rewrite inject_Z_plus; reflexivity).
    rewrite <- inject_Z_mult. apply ι_lt. lia. }
  split.
  - setoid_replace (ι d) with (ι (two e) * ι d * over e) by (rewrite <- (Qmult_1_l (ι d)) at 1; rewrite <- E; ring).
    apply Qmult_le_compat_r; lra.
  - setoid_replace (ι d + 1) with (ι (two e) * (ι d + 1) * over e)
      by (rewrite <- (Qmult_1_l (ι d + 1)) at 1; rewrite <- E; ring).
    apply Qmult_lt_compat_r; lra.
Qed.

(* ---- linear functions *)

Fixpoint axpy (a : Z) (w acc : list Z) : list Z :=  (* a w + acc *)
  match w, acc with
  | u :: w', s :: acc' => (u * a + s)%Z :: axpy a w' acc'
  | _, [] => map (fun u => u * a)%Z w
  | [], _ => acc
  end.

Fixpoint axpy_by (a : Z) (w acc : list Z) : list Z :=  (* the same; this order of factors is quicker where a is the shorter *)
  match w, acc with
  | u :: w', s :: acc' => (a * u + s)%Z :: axpy_by a w' acc'
  | _, [] => map (Z.mul a) w
  | [], _ => acc
  end.

Fixpoint vadd (u v : list Z) : list Z :=
  match u, v with
  | a :: u', b :: v' => (a + b)%Z :: vadd u' v'
  | [], _ => v
  | _, [] => u
  end.

Fixpoint vecmat (a : list Z) (rows : list (list Z)) : list Z :=  (* a . rows *)
  match a, rows with
  | u :: a', r :: rows' =>
      match u with
      | Z0 => vecmat a' rows'
      | _ => axpy u r (vecmat a' rows')
      end
  | _, _ => []
  end.

Lemma dot_nil x : dot [] x == 0.
Proof. reflexivity. Qed.

Lemma dot_nil_r w : dot w [] == 0.
Proof. destruct w; reflexivity. Qed.

Lemma dot_scale a w : forall x, dot (map (Z.mul a) w) x == ι a * dot w x.
Proof. induction w as [|u w IH]; intros [|v x]; cbn [map dot]; try ring. rewrite IH. zq. ring. Qed.

Lemma axpy_same a w : forall acc, axpy a w acc = axpy_by a w acc.
Proof.
  induction w as [|u w IH]; intros [|s acc]; cbn [axpy axpy_by]; try reflexivity.
  - apply map_ext. intros. apply Z.mul_comm.
  - rewrite IH, Z.mul_comm. reflexivity.
Qed.

Lemma dot_axpy_by a w : forall acc x, dot (axpy_by a w acc) x == ι a * dot w x + dot acc x.
Proof.
  induction w as [|u w IH]; intros acc x; [destruct acc; cbn; ring|].
  destruct acc as [|s acc].
  - cbn [axpy_by]. rewrite dot_scale. cbn [dot]. ring.
  - destruct x as [|v x]; cbn [axpy_by dot]; [ring|]. rewrite IH. zq. ring.
Qed.

Lemma dot_axpy a w acc x : dot (axpy a w acc) x == ι a * dot w x + dot acc x.
Proof. rewrite axpy_same. apply dot_axpy_by. Qed.

Lemma dot_vadd u : forall v x, dot (vadd u v) x == dot u x + dot v x.
Proof.
  induction u as [|a u IH]; intros [|b v] [|y x]; cbn [vadd dot]; try ring. rewrite IH. zq. ring.
Qed.

Lemma dot_vecmat x : forall a rows, dot (vecmat a rows) x == dot a (map (fun r => dot r x) rows).
Proof.
  induction a as [|u a IH]; intros [|r rows]; cbn [vecmat map dot]; try reflexivity.
  destruct u; rewrite ?dot_axpy, IH; ring.
Qed.

Lemma dot_map_scaled s : forall a rows x,
  dot a (map (fun r : list Z => dot r x * s) rows) == dot a (map (fun r => dot r x) rows) * s.
Proof. induction a as [|u a IH]; intros [|r rows] x; cbn [map dot]; try ring. rewrite IH. ring. Qed.

(* ---- bounds in units *)

Section Units.
Variable P : N.
Notation U := (ι (two P)).

Definition within (b : Z * Z) (v : Q) : Prop := ι (fst b) <= U * v /\ U * v <= ι (snd b).
Definition enclosed : list (Z * Z) -> vec -> Prop := Forall2 within.

Lemma U_pos : 0 < U.
Proof. apply ι_two_pos. Qed.

Lemma one_within : within (two P, two P) 1.
Proof. split; cbn; lra. Qed.

(* What rounding down the coefficients of a vector costs: with a = a' + r and 0 <= r < 1, a v >= a' v - max(0, -v). *)
Fixpoint negatives (b : list (Z * Z)) : Z :=
  match b with
  | [] => 0
  | (l, _) :: b' => match l with Zneg _ => (l + negatives b')%Z | _ => negatives b' end
  end.
Definition charge (b : list (Z * Z)) : Z := (- shr P (negatives b))%Z.

Lemma negatives_nonpos b : (negatives b <= 0)%Z.
Proof. induction b as [|[[|l|l] h] b IH]; cbn [negatives]; lia. Qed.

Lemma round_units e b v : enclosed b v -> forall p, U * dot (map (shr e) p) v + ι (negatives b) <= U * (dot p v * over e).
Proof.
  induction 1 as [|[l h] v b x [Hl Hh] H IH]; intros [|a p]; cbn [map dot negatives]; try (change (ι 0) with 0; lra).
  - pose proof (ι_le _ _ (negatives_nonpos ((l, h) :: b))) as N. cbn [negatives] in N. change (ι 0) with 0 in N. lra.
  - specialize (IH p). destruct (shr_spec e a) as [S1 S2]. cbn [fst snd] in *. pose proof U_pos.
    set (r := ι a * over e - ι (shr e a)). assert (R : 0 <= r /\ r < 1) by (unfold r; lra).
    setoid_replace (U * ((ι a * v + dot p x) * over e)) with (U * (ι (shr e a) * v) + r * (U * v) + U * (dot p x * over e))
      by (unfold r; ring).
    destruct l as [|l|l]; rewrite ?inject_Z_plus.
    + change (ι 0) with 0 in Hl. assert (0 <= r * (U * v)) by nra. lra.
    + assert (0 < ι (Zpos l)) by (apply (ι_lt 0); lia). assert (0 <= r * (U * v)) by nra. lra.
    + assert (ι (Zneg l) < 0) by (apply (ι_lt _ 0); lia). assert (ι (Zneg l) <= r * (U * v)) by nra. lra.
Qed.

Lemma round_sound e b v p : enclosed b v -> dot (map (shr e) p) v - ι (charge b) <= dot p v * over e.
Proof.
  intros H. pose proof (round_units e b v H p) as R. unfold charge. rewrite inject_Z_opp.
  destruct (shr_spec P (negatives b)) as [S _]. pose proof (over_two P) as E. pose proof U_pos.
  assert (X : ι (negatives b) == U * (ι (negatives b) * over P))
    by (rewrite <- (Qmult_1_l (ι (negatives b))) at 1; rewrite <- E; ring).
  rewrite X in R. apply (Qmult_le_l _ _ U); [assumption|].
  setoid_replace (U * (dot (map (shr e) p) v - - ι (shr P (negatives b)))) with
    (U * dot (map (shr e) p) v + U * ι (shr P (negatives b))) by ring.
  eapply Qle_trans; [|exact R]. apply Qplus_le_r. apply Qmult_le_l; assumption.
Qed.

(* A linear function meets the end of each input that makes it least. *)
Fixpoint ends (w : list Z) (b : list (Z * Z)) : Z * Z :=  (* the least and the largest value, in units *)
  match w, b with
  | u :: w', (l, h) :: b' =>
      let (s, t) := ends w' b' in
      match u with
      | Z0 => (s, t)
      | Zpos _ => (u * l + s, u * h + t)%Z
      | Zneg _ => (u * h + s, u * l + t)%Z
      end
  | _, _ => (0, 0)%Z
  end.

Lemma ends_sound b x : enclosed b x -> forall w, ι (fst (ends w b)) <= U * dot w x /\ U * dot w x <= ι (snd (ends w b)).
Proof.
  induction 1 as [|[l h] v b x [Hl Hh] H IH]; intros [|u w]; cbn [ends dot fst snd] in *;
    try (change (ι 0) with 0; split; lra).
  destruct (IH w) as [I1 I2]. destruct (ends w b) as [s t]. cbn [fst snd] in *.
  destruct u as [|u|u]; cbn [fst snd]; zq.
  - change (ι 0) with 0. split; lra.
  - assert (0 < ι (Zpos u)) by (apply (ι_lt 0); lia). split; nra.
  - assert (ι (Zneg u) < 0) by (apply (ι_lt _ 0); lia). split; nra.
Qed.

Lemma unscale p v : ι p <= U * v -> ι (shr P p) <= v.
Proof.
  intros H. destruct (shr_spec P p) as [S _]. pose proof (over_two P) as E. pose proof (over_pos P).
  assert (ι p * over P <= U * v * over P) by (apply Qmult_le_compat_r; lra).
  setoid_replace (U * v * over P) with (over P * U * v) in H1 by ring. rewrite E in H1. lra.
Qed.

Definition least (a : list Z) (c : Z) (box : list (Z * Z)) : Z := (shr P (fst (ends a box)) + c)%Z.

Lemma least_sound a c box x : enclosed box x -> ι (least a c box) <= dot a x + ι c.
Proof.
  intros H. unfold least. rewrite inject_Z_plus. destruct (ends_sound box x H a) as [E _]. pose proof (unscale _ _ E). lra.
Qed.

End Units.
