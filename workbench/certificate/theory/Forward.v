(* Intervals, and linear functions of the input, step by step; and with rows all bounds of a part of the region. *)
From Coq Require Import ZArith QArith List Lia Lqa Bool.
From NNWorkbench Require Import Network Arithmetic Taps Bounds Walk.
Import ListNotations.
Local Open Scope Q_scope.

Section Precision.
Variable P : N.
Notation U := (ι (two P)).
Notation enclosed := (enclosed P).
Notation within := (within P).
Notation fits := (fits P).

(* ---- intervals *)

Definition up (e : N) (p : Z) : Z := (- shr e (- p))%Z.

Fixpoint plus_ranges (a b : list (Z * Z)) : list (Z * Z) :=
  match a, b with
  | (l, h) :: a', (m, i) :: b' => (l + m, h + i)%Z :: plus_ranges a' b'
  | [], _ => b
  | _, [] => a
  end.

Definition interval (k : step) (es : list entry) : list (Z * Z) :=
  let of s := range (nth s es nothing) in
  match k with
  | Affine s e rows =>
      let b := (two P, two P) :: of s in
      map (fun row => let (l, h) := ends row b in (shr e l, up e h)) rows
  | Conv s e reads rows =>
      let known := kept (0, 0)%Z (of s) in
      let patches := map (fun tap => (two P, two P) :: map (look (0, 0)%Z known) tap) reads in
      flat_map (fun row => map (fun b => let (l, h) := ends row b in (shr e l, up e h)) patches) rows
  | Shift s e b => plus_ranges (of s) (map (fun n => (shr e (n * two P), up e (n * two P))%Z) b)
  | Relu s e al =>
      map (fun b : Z * Z => let (l, h) := b in
        (if (0 <=? l)%Z then l else shr e (al * l), if (0 <=? h)%Z then h else up e (al * h))) (of s)
  | Add s t => plus_ranges (of s) (of t)
  end.

Lemma plus_ranges_sound a : forall b x y, enclosed a x -> enclosed b y -> enclosed (plus_ranges a b) (plus x y).
Proof.
  induction a as [|[l h] a IH]; intros b x y A B; inversion A; subst; [exact B|].
  inversion B as [|[m i] w b' y' W B']; subst; [exact A|].
  cbn [plus_ranges plus]. constructor; [|apply IH; assumption].
  destruct H1, W. split; cbn [fst snd] in *; zq; lra.
Qed.

Lemma over_le e p v : ι p <= v -> ι p * over e <= v * over e.
Proof. intros H. apply Qmult_le_compat_r; [exact H|]. pose proof (over_pos e). lra. Qed.

Lemma over_ge e p v : v <= ι p -> v * over e <= ι p * over e.
Proof. intros H. apply Qmult_le_compat_r; [exact H|]. pose proof (over_pos e). lra. Qed.

Lemma relu_range e al l h v : (0 <= al)%Z -> within (l, h) v ->
  within (if (0 <=? l)%Z then l else shr e (al * l), if (0 <=? h)%Z then h else up e (al * h)) (relu e al v).
Proof.
  intros A [Hl Hh]. cbn [fst snd] in *. pose proof (U_pos P) as HU. pose proof (over_pos e) as O.
  apply ι_le in A. change (ι 0) with 0 in A. unfold within, Arithmetic.within. cbn [fst snd].
  set (g := ι al * over e). assert (G : 0 <= g) by (unfold g; nra).
  assert (R : (0 <= U * v /\ U * relu e al v == U * v) \/ (U * v < 0 /\ U * relu e al v == g * (U * v))).
  { destruct (Qlt_le_dec v 0); [right|left]; split; try nra;
      [rewrite (relu_neg e al v) by lra; unfold g; ring|rewrite (relu_pos e al v) by lra; ring]. }
  set (y := U * v) in *. set (z := U * relu e al v) in *. clearbody y z. split.
  - destruct (Z.leb_spec 0 l) as [L|L].
    + apply ι_le in L. change (ι 0) with 0 in L. destruct R as [[V R]|[V R]]; rewrite R; lra.
    + apply ι_lt in L. change (ι 0) with 0 in L. destruct (shr_spec e (al * l)) as [S _].
      rewrite inject_Z_mult in S. setoid_replace (ι al * ι l * over e) with (g * ι l) in S by (unfold g; ring).
      destruct R as [[V R]|[V R]]; rewrite R; nra.
  - destruct (Z.leb_spec 0 h) as [L|L].
    + apply ι_le in L. change (ι 0) with 0 in L. destruct R as [[V R]|[V R]]; rewrite R; nra.
    + apply ι_lt in L. change (ι 0) with 0 in L. pose proof (up_spec e (al * h)) as S.
      rewrite inject_Z_mult in S. setoid_replace (ι al * ι h * over e) with (g * ι h) in S by (unfold g; ring).
      unfold up. destruct R as [[V R]|[V R]]; rewrite R; nra.
Qed.

Definition step_ok (k : step) : bool := match k with Relu _ e al => relu_fits e al | _ => true end.

Lemma relu_fits_pos e al : relu_fits e al = true -> (0 <= al)%Z.
Proof. unfold relu_fits. rewrite andb_true_iff, !Z.leb_le. tauto. Qed.

Lemma affine_range e row b v : enclosed b (1 :: v) ->
  within (let (l, h) := ends row b in (shr e l, up e h)) (dot row (1 :: v) * over e).
Proof.
  intros B. destruct (ends_sound P _ _ B row) as [E1 E2]. destruct (ends row _) as [l h]. cbn [fst snd] in *.
  split; cbn [fst snd].
  - destruct (shr_spec e l) as [S _]. pose proof (over_le e _ _ E1). lra.
  - pose proof (up_spec e h) as S. pose proof (over_ge e _ _ E2). unfold up. lra.
Qed.

Lemma element_within of v k : enclosed of v -> within (look (0, 0)%Z (kept (0, 0)%Z of) k) (element v k).
Proof.
  intros B. rewrite look_kept. unfold element.
  assert (O : within (0, 0)%Z 0) by (split; cbn; change (ι 0) with 0; lra).
  destruct (k <? 0)%Z; [exact O|]. apply (Forall2_nth within); assumption.
Qed.

Lemma patch_enclosed of v tap : enclosed of v ->
  enclosed ((two P, two P) :: map (look (0, 0)%Z (kept (0, 0)%Z of)) tap) (1 :: map (element v) tap).
Proof.
  intros B. constructor; [apply one_within|]. induction tap as [|k tap IH]; constructor; [|exact IH].
  apply element_within, B.
Qed.

Lemma interval_sound k net es x : step_ok k = true -> fits net es x -> enclosed (interval k es) (apply k (values net x)).
Proof.
  intros W F. pose proof (U_pos P) as HU.
  destruct k as [s e rows|s e reads rows|s e b|s e al|s t]; cbn [interval apply];
    destruct (fits_nth P net es x s F) as [B _]; set (of := range (nth s es nothing)) in *; set (v := nth s (values net x) []) in *.
  - clear W. induction rows as [|row rows IH]; cbn [map]; constructor; [|exact IH].
    apply affine_range. constructor; [apply one_within|exact B].
  - clear W. induction rows as [|row rows IH]; cbn [flat_map]; [constructor|]. apply Forall2_app; [|exact IH].
    clear IH. induction reads as [|tap reads IH]; cbn [map]; constructor; [|exact IH].
    apply affine_range, patch_enclosed, B.
  - apply plus_ranges_sound; [exact B|]. clear W. induction b as [|n b IH]; cbn [map]; constructor; [|exact IH].
    destruct (shr_spec e (n * two P)) as [S _]. pose proof (up_spec e (n * two P)) as T. rewrite inject_Z_mult in S, T.
    split; cbn [fst snd]; unfold up; lra.
  - induction B as [|[l h] w of' v' H B IH]; cbn [map]; constructor; [|exact IH].
    apply relu_range; [apply (relu_fits_pos e); exact W|exact H].
  - apply plus_ranges_sound; [exact B|]. apply (fits_nth P net es x t F).
Qed.

(* ---- linear functions of (1, x) below every element and below its negative *)

Definition form_fits (x : vec) (f : form) (v : Q) : Prop :=
  dot (fst f) (1 :: x) <= U * v /\ dot (snd f) (1 :: x) <= - (U * v).

Fixpoint mixed (w : list Z) (fs : list form) : form :=
  match w, fs with
  | u :: w', (L, N) :: fs' =>
      let (A, B) := mixed w' fs' in
      match u with
      | Z0 => (A, B)
      | Zpos _ => (axpy_by u L A, axpy_by u N B)
      | Zneg q => (axpy_by (Zpos q) N A, axpy_by (Zpos q) L B)
      end
  | _, _ => ([], [])
  end.

Lemma mixed_sound x : forall fs v, Forall2 (form_fits x) fs v -> forall w, form_fits x (mixed w fs) (dot w v).
Proof.
  induction 1 as [|[L N] v fs vs [H1 H2] F IH]; intros [|u w]; cbn [mixed dot]; try (split; cbn; lra).
  specialize (IH w). destruct (mixed w fs) as [A B]. destruct IH as [I1 I2]. cbn [fst snd] in *.
  destruct u as [|u|u].
  - change (ι 0) with 0. split; cbn [fst snd]; lra.
  - assert (0 < ι (Zpos u)) by (apply (ι_lt 0); lia).
    split; cbn [fst snd]; rewrite dot_axpy_by; nra.
  - assert (E : ι (Zneg u) == - ι (Zpos u)) by (rewrite <- inject_Z_opp; reflexivity).
    assert (0 < ι (Zpos u)) by (apply (ι_lt 0); lia).
    split; cbn [fst snd]; rewrite dot_axpy_by, E; nra.
Qed.

(* s f - c, rounded: `c` has what rounding costs. *)
Definition scaled (e : N) (w : list Z) (c : Z) : list Z := vadd [c] (map (shr e) w).

Lemma scaled_sound e b x w c : enclosed b x ->
  dot (scaled e w (c + shr P (negatives b))) (1 :: x) <= dot w (1 :: x) * over e + ι c.
Proof.
  intros B. unfold scaled. rewrite dot_vadd.
  assert (B' : enclosed ((two P, two P) :: b) (1 :: x)) by (constructor; [apply one_within|exact B]).
  pose proof (round_sound P e _ _ w B') as R.
  assert (C : charge P ((two P, two P) :: b) = charge P b).
  { unfold charge. cbn [negatives]. pose proof (two_pos P). destruct (two P); try lia; reflexivity. }
  rewrite C in R. unfold charge in R. rewrite inject_Z_opp in R. cbn [dot] in *. rewrite inject_Z_plus. lra.
Qed.

Fixpoint through_lines (sh : N) (lost : Z) (ls : list line) (fs : list form) : list form :=
  match ls, fs with
  | k :: ls', (L, N) :: fs' =>
      match k with
      | Dead => ([], [])
      | Same => (L, N)
      | Bent a s t => (scaled sh (map (Z.mul a) L) lost, scaled sh (map (Z.mul s) N) (lost - t))
      end :: through_lines sh lost ls' fs'
  | _, _ => []
  end.

Lemma scaled_by e b x w u c t : enclosed b x -> (0 <= u)%Z -> dot w (1 :: x) <= t ->
  dot (scaled e (map (Z.mul u) w) (c + shr P (negatives b))) (1 :: x) <= ι u * over e * t + ι c.
Proof.
  intros B Hu H. pose proof (scaled_sound e b x (map (Z.mul u) w) c B) as S. rewrite dot_scale in S.
  apply ι_le in Hu. change (ι 0) with 0 in Hu. pose proof (over_pos e). assert (0 <= ι u * over e) by nra. nra.
Qed.

Lemma through_lines_sound e al b x : enclosed b x -> forall ls z, Forall2 (good_line P e al) ls z ->
  forall fs, Forall2 (form_fits x) fs z ->
  Forall2 (form_fits x) (through_lines (slopes_shift e) (shr P (negatives b)) ls fs) (map (relu e al) z).
Proof.
  intros B. set (sh := slopes_shift e).
  induction 1 as [|k v ls z G F IH]; intros fs H; inversion H as [|[L N] v' fs' z' [H1 H2] H']; subst; cbn [through_lines map];
    constructor; [|apply IH; assumption].
  cbn [fst snd] in *. destruct k as [| |a s t]; cbn [good_line] in G.
  - split; cbn [fst snd]; rewrite G; cbn; lra.
  - split; cbn [fst snd]; rewrite G; assumption.
  - fold sh in G. destruct G as [A [S [G1 G2]]]. split; cbn [fst snd].
    + pose proof (scaled_by sh b x L a 0 _ B A H1) as R. rewrite Z.add_0_l in R. change (ι 0) with 0 in R.
      pose proof (U_pos P). nra.
    + pose proof (scaled_by sh b x N s (- t) _ B S H2) as R. rewrite inject_Z_opp in R.
      rewrite (Z.add_comm (- t)) in R. change (shr P (negatives b) + - t)%Z with (shr P (negatives b) - t)%Z in R. lra.
Qed.

Definition shift_form (ex : N) (n : Z) (f : form) : form :=
  (vadd [shr ex (n * two P)] (fst f), vadd [shr ex (- (n * two P))] (snd f))%Z.
Fixpoint shift_forms (ex : N) (b : list Z) (fs : list form) : list form :=
  match b, fs with
  | n :: b', f :: fs' => shift_form ex n f :: shift_forms ex b' fs'
  | [], _ => fs
  | _, [] => map (fun n => shift_form ex n ([], [])) b
  end.
Fixpoint add_forms (f g : list form) : list form :=
  match f, g with
  | (L, N) :: f', (M, K) :: g' => (vadd L M, vadd N K) :: add_forms f' g'
  | [], _ => g
  | _, [] => f
  end.

Definition forms_of (k : step) (e : entry) (lost : Z) (fs : list (list form)) : list form :=
  let of s := nth s fs [] in
  match k with
  | Affine s ex rows =>
      map (fun row =>
        let c := (hd 0 row * two P)%Z in
        let (A, B) := mixed (tl row) (of s) in
        (scaled ex (vadd [c] A) lost, scaled ex (vadd [- c]%Z B) lost)) rows
  | Conv _ _ _ _ => map (fun b : Z * Z => ([fst b], [- snd b]%Z)) (range e)  (* constants *)
  | Shift s ex b => shift_forms ex b (of s)
  | Relu s ex al => through_lines (slopes_shift ex) lost (lines e) (of s)
  | Add s t => add_forms (of s) (of t)
  end.

Lemma shift_form_sound x n ex f v : form_fits x f v -> form_fits x (shift_form ex n f) (v + ι n * over ex).
Proof.
  intros [H1 H2]. pose proof (shr_spec ex (n * two P)) as [S _]. pose proof (shr_spec ex (- (n * two P))) as [T _].
  rewrite inject_Z_mult in S. rewrite inject_Z_opp in T. rewrite inject_Z_mult in T.
  split; cbn [fst snd shift_form]; rewrite dot_vadd; cbn [dot]; lra.
Qed.

Lemma shift_forms_sound x ex fs v : Forall2 (form_fits x) fs v ->
  forall b, Forall2 (form_fits x) (shift_forms ex b fs) (plus v (map (fun n => ι n * over ex) b)).
Proof.
  induction 1 as [|f v fs vs H F IH]; intros b.
  - destruct b as [|n b]; [constructor|]. cbn [plus shift_forms]. generalize (n :: b). clear n b.
    induction l as [|n c IH]; cbn [map]; constructor; [|exact IH].
    assert (Z0 : form_fits x ([], []) 0) by (split; cbn; lra).
    destruct (shift_form_sound x n ex _ _ Z0) as [S1 S2]. split; lra.
  - destruct b as [|n b]; cbn [map plus shift_forms]; [constructor; assumption|].
    constructor; [apply shift_form_sound, H|apply IH].
Qed.

Lemma add_forms_sound x f u : Forall2 (form_fits x) f u ->
  forall g v, Forall2 (form_fits x) g v -> Forall2 (form_fits x) (add_forms f g) (plus u v).
Proof.
  induction 1 as [|[A D] a f u [H1 H2] H IH]; intros g v G; [exact G|].
  inversion G as [|[A' D'] a' g' v' [G1 G2] G']; subst; cbn [plus add_forms]; [constructor; [split|]; assumption|].
  constructor; [|apply IH; assumption]. split; cbn [fst snd] in *; rewrite dot_vadd; lra.
Qed.

Lemma forms_sound k e b net x fs : enclosed b x -> enclosed (range e) (apply k (values net x)) -> lines_fit P k e (values net x) ->
  Forall2 (Forall2 (form_fits x)) fs (values net x) ->
  Forall2 (form_fits x) (forms_of k e (shr P (negatives b)) fs) (apply k (values net x)).
Proof.
  intros B R L F. pose proof (fun s => Forall2_nth (Forall2 (form_fits x)) [] [] (Forall2_nil _) _ _ F s) as N.
  destruct k as [s ex rows|s ex reads rows|s ex c|s ex al|s t]; cbn [forms_of apply] in *.
  - specialize (N s). clear L R. induction rows as [|row rows IH]; cbn [map]; constructor; [|exact IH].
    pose proof (mixed_sound x _ _ N (tl row)) as C. destruct (mixed _ _) as [A D]. destruct C as [C1 C2].
    cbn [fst snd] in *.
    assert (E : dot row (1 :: nth s (values net x) []) == ι (hd 0 row)%Z + dot (tl row) (nth s (values net x) [])).
    { destruct row as [|r row]; cbn [dot hd tl]; [change (ι 0) with 0|]; ring. }
    set (y := dot (tl row) _) in *. set (c := hd 0%Z row) in *.
    pose proof (over_pos ex) as O.
    pose proof (scaled_sound ex b x (vadd [(c * two P)%Z] A) 0 B) as S1.
    pose proof (scaled_sound ex b x (vadd [(- (c * two P))%Z] D) 0 B) as S2.
    rewrite Z.add_0_l, dot_vadd in S1, S2. change (ι 0) with 0 in S1, S2. cbn [dot] in S1, S2.
    rewrite inject_Z_mult in S1. rewrite inject_Z_opp in S2. rewrite inject_Z_mult in S2.
    split; cbn [fst snd]; rewrite E.
    + assert ((ι c * U + dot A (1 :: x)) * over ex <= (ι c * U + U * y) * over ex) by (apply Qmult_le_compat_r; lra). lra.
    + assert ((- (ι c * U) + dot D (1 :: x)) * over ex <= (- (ι c * U) - U * y) * over ex) by (apply Qmult_le_compat_r; lra). lra.
  - clear L N F B. revert R. generalize (range e). induction 1 as [|[l h] v r vs [H1 H2] R IH]; cbn [map]; constructor;
      [|exact IH]. cbn [fst snd] in *. split; cbn [fst snd dot]; rewrite ?inject_Z_opp; lra.
  - apply shift_forms_sound, N.
  - cbn [lines_fit] in L. apply through_lines_sound; [exact B|exact L|apply N].
  - apply add_forms_sound; apply N.
Qed.

(* ---- all bounds of a part of the region *)

Fixpoint meet (a b : list (Z * Z)) : list (Z * Z) :=
  match a, b with
  | (l, h) :: a', (m, i) :: b' => (Z.max l m, Z.min h i) :: meet a' b'
  | _, _ => a
  end.

Fixpoint tighten (box : list (Z * Z)) (a : list (Z * Z)) (fs : list form) : list (Z * Z) :=
  match a, fs with
  | (l, h) :: a', (L, N) :: fs' =>
      (Z.max l (shr P (fst (ends L box))), Z.min h (- shr P (fst (ends N box)))) :: tighten box a' fs'
  | _, _ => a
  end.

Fixpoint cut (j : nat) (above : bool) (a : list (Z * Z)) : list (Z * Z) :=
  match a, j with
  | [], _ => []
  | (l, h) :: a', O => (if above then (Z.max l 0, h) else (l, Z.min h 0)) :: a'
  | b :: a', S j' => b :: cut j' above a'
  end.
Definition cut_all (phases : list (nat * bool)) (a : list (Z * Z)) : list (Z * Z) :=
  fold_right (fun p => cut (fst p) (snd p)) a phases.

Definition has (v : vec) (p : nat * bool) : Prop := if snd p then 0 <= nth (fst p) v 0 else nth (fst p) v 0 <= 0.

Lemma max_le a b q : ι a <= q -> ι b <= q -> ι (Z.max a b) <= q.
Proof. intros. destruct (Z.max_spec a b) as [[_ E]|[_ E]]; rewrite E; assumption. Qed.

Lemma min_ge a b q : q <= ι a -> q <= ι b -> q <= ι (Z.min a b).
Proof. intros. destruct (Z.min_spec a b) as [[_ E]|[_ E]]; rewrite E; assumption. Qed.

Lemma meet_sound a v : enclosed a v -> forall b, enclosed b v -> enclosed (meet a b) v.
Proof.
  induction 1 as [|[l h] v a vs [H1 H2] A IH]; intros b B; inversion B as [|[m i] w b' ws [G1 G2] B']; subst; cbn [meet]; constructor;
    [|apply IH; assumption]. cbn [fst snd] in *. split; cbn [fst snd]; [apply max_le|apply min_ge]; assumption.
Qed.

Lemma tighten_sound box x a v : enclosed box (1 :: x) -> enclosed a v -> forall fs, Forall2 (form_fits x) fs v ->
  enclosed (tighten box a fs) v.
Proof.
  intros B. induction 1 as [|[l h] v a vs [H1 H2] A IH]; intros fs F; inversion F as [|[L N] w fs' ws [G1 G2] F']; subst;
    cbn [tighten]; constructor; [|apply IH; assumption]. cbn [fst snd] in *.
  destruct (ends_sound P box _ B L) as [E1 _]. destruct (ends_sound P box _ B N) as [E2 _].
  apply unscale in E1, E2. split; cbn [fst snd]; [apply max_le|apply min_ge]; try assumption; rewrite ?inject_Z_opp; lra.
Qed.

Lemma cut_sound above : forall j a v, enclosed a v -> has v (j, above) -> enclosed (cut j above a) v.
Proof.
  unfold has. cbn [fst snd]. pose proof (U_pos P) as HU.
  induction j as [|j IH]; intros a v A H; destruct A as [|[l h] w a' v' [H1 H2] A]; cbn [cut nth] in *.
  - constructor.
  - constructor; [|exact A]. cbn [fst snd] in *.
    destruct above; split; cbn [fst snd]; try assumption; [apply max_le|apply min_ge]; try assumption; change (ι 0) with 0; nra.
  - constructor.
  - constructor; [split; assumption|]. apply IH; assumption.
Qed.

Lemma cut_all_sound ps a v : enclosed a v -> Forall (has v) ps -> enclosed (cut_all ps a) v.
Proof.
  intros A H. induction H as [|[j above] ps H HS IH]; cbn [cut_all fold_right]; [exact A|]. apply cut_sound; assumption.
Qed.

Definition lines_for (k : step) (es : list entry) (chosen : list Z) : list line :=
  match k with
  | Relu s e al =>
      (fix go (bs : list (Z * Z)) (c : list Z) : list line :=
        match bs with
        | [] => []
        | b :: bs' => line_of e al (hd (-1)%Z c) b :: go bs' (tl c)
        end) (range (nth s es nothing)) chosen
  | _ => []
  end.

(* An affine step's rows, with 0 where they meet an element that is 0 all over the part. *)
Fixpoint erase (w : list Z) (bs : list (Z * Z)) : list Z :=
  match w, bs with
  | u :: w', b :: bs' => match b with (Z0, Z0) => 0%Z | _ => u end :: erase w' bs'
  | _, _ => w
  end.
Definition sparse_for (k : step) (es : list entry) : list (list Z) :=
  match k with
  | Affine s e rows =>
      let bs := range (nth s es nothing) in
      map (fun row => match row with [] => [] | b :: w => b :: erase w bs end) rows
  | _ => []
  end.

Lemma erase_sound bs v : enclosed bs v -> forall w, dot w v == dot (erase w bs) v.
Proof.
  induction 1 as [|[l h] v bs vs [H1 H2] B IH]; intros [|u w]; cbn [erase dot]; try reflexivity. rewrite (IH w).
  cbn [fst snd] in *. destruct l, h; try reflexivity. change (ι 0) with 0 in *. pose proof (U_pos P).
  assert (E : v == 0) by nra. rewrite E. ring.
Qed.

Definition entry_of (k : step) (es : list entry) (chosen : list Z) (r : list (Z * Z)) : entry :=
  Entry r (lines_for k es chosen) (sparse_for k es) (negatives r).

Lemma lines_for_sound k net es x e chosen : step_ok k = true -> fits net es x -> lines e = lines_for k es chosen ->
  sparse e = sparse_for k es -> lines_fit P k e (values net x).
Proof.
  intros W F E E'. destruct k as [s ex rows|s ex reads rows|s ex b|s ex al|s t]; cbn [lines_fit]; try exact I.
  { rewrite E'. clear E' E W. cbn [sparse_for]. destruct (fits_nth P net es x s F) as [B _]. clear F.
    induction rows as [|[|b row] rows IH]; cbn [map]; constructor; try exact IH; [reflexivity|].
    cbn [dot]. rewrite (erase_sound _ _ B row). reflexivity. }
  rewrite E. clear E E'.
  cbn [lines_for]. destruct (fits_nth P net es x s F) as [B _]. clear F.
  revert chosen. induction B as [|b v bs vs H B IH]; intros chosen; constructor.
  - apply line_sound; [exact W|exact H].
  - apply IH.
Qed.

Lemma entry_fits k net es x chosen r : step_ok k = true -> fits net es x -> enclosed r (apply k (values net x)) ->
  fits (k :: net) (entry_of k es chosen r :: es) x.
Proof.
  intros W F R. cbn [Walk.fits]. split; [split; [exact R|reflexivity]|]. split; [|exact F].
  exact (lines_for_sound k net es x (entry_of k es chosen r) chosen W F eq_refl eq_refl).
Qed.

(* Slopes that are chosen, by step; [] leaves them. *)
Fixpoint relined (net : list step) (es : list entry) (chosen : list (list Z)) : list entry :=
  match chosen, net, es with
  | c :: chosen', k :: net', e :: es' =>
      match c with
      | [] => e
      | _ => entry_of k es' c (range e)
      end :: relined net' es' chosen'
  | _, _, _ => es
  end.

Lemma relined_fits net : forall es chosen x, forallb step_ok net = true -> fits net es x -> fits net (relined net es chosen) x.
Proof.
  induction net as [|k net IH]; intros es chosen x W F; [destruct chosen; exact F|].
  destruct chosen as [|c chosen]; [exact F|].
  cbn [forallb] in W. apply andb_prop in W as [W1 W2].
  destruct es as [|e es]; cbn [Walk.fits relined] in *; [contradiction|]. destruct F as [K [L F]].
  destruct c as [|c0 c].
  - split; [exact K|]. split; [|apply IH; assumption]. exact L.
  - destruct K as [K _]. destruct (entry_fits k net es x (c0 :: c) (range e) W1 F K) as [K' [L' _]].
    split; [exact K'|]. split; [exact L'|]. apply IH; assumption.
Qed.

Definition unit (j : nat) (z : Z) : list Z := repeat 0%Z j ++ [z].

Lemma dot_unit z : forall j v, dot (unit j z) v == ι z * nth j v 0.
Proof.
  induction j as [|j IH]; intros [|w v]; cbn; try ring. fold (unit j z). rewrite IH. change (ι 0) with 0. ring.
Qed.

(* Rows for the elements of a step that may have either sign: `nets` and `es` begin with that step. *)
Fixpoint by_rows (net : list step) (es : list entry) (box : list (Z * Z)) (j : nat) (r : list (Z * Z)) : list (Z * Z) :=
  match r with
  | [] => []
  | (l, h) :: r' =>
      (if ((l <? 0) && (0 <? h))%Z then
        let (a, c) := back P net es [unit j (two P)] 0 in
        let (b, d) := back P net es [unit j (- two P)%Z] 0 in
        (Z.max l (least P a c box), Z.min h (- least P b d box))
      else (l, h)) :: by_rows net es box (S j) r'
  end.

Lemma by_rows_sound net es box x v : fits net es x -> enclosed box x -> (exists vs, values net x = v :: vs) ->
  forall r w j, enclosed r w -> (forall i, nth i w 0 == nth (j + i) v 0) -> enclosed (by_rows net es box j r) w.
Proof.
  intros F B [vs V] r w j R. revert j. induction R as [|[l h] q r w [H1 H2] R IH]; intros j E; cbn [by_rows]; constructor.
  - cbn [fst snd] in *. destruct ((l <? 0) && (0 <? h))%Z; [|split; assumption].
    pose proof (back_sound P net es [unit j (two P)] 0 x F) as B1.
    pose proof (back_sound P net es [unit j (- two P)%Z] 0 x F) as B2.
    destruct (back P net es [unit j (two P)] 0) as [a c]. destruct (back P net es [unit j (- two P)%Z] 0) as [b d].
    pose proof (least_sound P a c box x B). pose proof (least_sound P b d box x B).
    assert (T : forall vs : list vec, total [] vs == 0).
    { induction vs0 as [|u us IHu]; cbn [total hd tl]; [reflexivity|]. rewrite IHu. cbn. ring. }
    rewrite V in B1, B2. cbn [total hd tl] in B1, B2. rewrite dot_unit, T in B1, B2. rewrite inject_Z_opp in B2.
    pose proof (E 0%nat) as E0. rewrite Nat.add_0_r in E0. cbn [nth] in E0. rewrite <- E0 in B1, B2.
    change (ι 0) with 0 in B1, B2.
    split; cbn [fst snd]; [apply max_le|apply min_ge]; try assumption; rewrite ?inject_Z_opp; lra.
  - apply IH. intros i. specialize (E (S i)). cbn [nth] in E. rewrite E. replace (j + S i)%nat with (S j + i)%nat by lia. reflexivity.
Qed.

Record ways := Ways { by_interval : bool; by_forms : bool; by_back : bool; chosen : list (list Z); marks : list bool }.

Fixpoint identity (j : nat) (n : nat) : list form :=
  match n with O => [] | S n' => (unit j (two P), unit j (- two P)%Z) :: identity (S j) n' end.

Fixpoint bounds (net : list step) (w : ways) (marks : list bool) (chosen : list (list Z)) (box : list (Z * Z)) (phases : list (list (nat * bool)))
    (old : list entry) : list entry * list (list form) :=
  match net with
  | [] => ([Entry box [] [] (negatives box)], if by_forms w then [identity 1 (length box)] else [])
  | k :: net' =>
      let (es, fs) := bounds net' w (tl marks) (tl chosen) box (tl phases) (tl old) in
      let r := match old with
        | [] => interval k es
        | e :: _ => if by_interval w then meet (interval k es) (range e) else range e
        end in
      let f := if by_forms w then forms_of k (entry_of k es [] r) (shr P (negatives box)) fs else [] in
      let marked := hd false marks in
      let r := if by_forms w && marked then tighten ((two P, two P) :: box) r f else r in
      let r := cut_all (hd [] phases) r in
      let r := if by_back w && marked
               then cut_all (hd [] phases) (by_rows (k :: net') (entry_of k es [] r :: relined net' es (tl chosen)) box 0 r)
               else r in
      (entry_of k es [] r :: es, f :: fs)
  end.

Fixpoint phases_hold (phases : list (list (nat * bool))) (vs : list vec) : Prop :=
  match vs with
  | [] => True
  | v :: vs' => Forall (has v) (hd [] phases) /\ phases_hold (tl phases) vs'
  end.

End Precision.
