(* What a certificate's theorem speaks about: all that a reader has to believe, besides Coq itself, stands in this file.

   Numbers are rationals (every float is one), weights are integers over a power of two.  A network is a list of steps.
   A step makes a vector from vectors before it; its sources are counted backwards, 0 is the vector just before it. *)
From Coq Require Import ZArith QArith List.
Import ListNotations.
Local Open Scope Q_scope.

Definition vec := list Q.
Notation ι := inject_Z.

Definition over (e : N) : Q := / ι (2 ^ Z.of_N e).  (* 2^-e *)

Fixpoint dot (w : list Z) (x : vec) : Q :=
  match w, x with
  | a :: w', v :: x' => ι a * v + dot w' x'
  | _, _ => 0
  end.

Definition relu (e : N) (a : Z) (z : Q) : Q :=  (* z where z >= 0, else 2^-e a z; for Relu a = 0 *)
  if Qle_bool 0 z then z else ι a * over e * z.

(* A convolution reads, for each place of its result, some elements: where they are, or -1 for padding.  `taps` lists
   the places row by row, and for each place channel by channel, row by row of the kernel what it reads. *)
Definition element (v : vec) (k : Z) : Q := if (k <? 0)%Z then 0 else nth (Z.to_nat k) v 0.

Definition upto (n : Z) : list Z := map Z.of_nat (seq 0 (Z.to_nat n)).
Definition taps (channels height width kernel_height kernel_width rows columns : Z)
    (stride_y stride_x top left dilation_y dilation_x : Z) : list (list Z) :=
  (flat_map (fun y => map (fun x =>
    flat_map (fun c => flat_map (fun i => map (fun j =>
      let v := y * stride_y + i * dilation_y - top in
      let h := x * stride_x + j * dilation_x - left in
      if ((0 <=? v) && (v <? height) && (0 <=? h) && (h <? width))%bool then (c * height + v) * width + h else -1)
    (upto kernel_width)) (upto kernel_height)) (upto channels)) (upto columns)) (upto rows))%Z.

Inductive step :=
| Affine (source : nat) (e : N) (rows : list (list Z))  (* a row: the bias, then the weights *)
| Conv (source : nat) (e : N) (reads : list (list Z)) (rows : list (list Z))  (* a row: a channel's bias and kernel *)
| Shift (source : nat) (e : N) (b : list Z)
| Relu (source : nat) (e : N) (a : Z)
| Add (source other : nat).

Fixpoint plus (x y : vec) : vec :=  (* of vectors of one length *)
  match x, y with
  | a :: x', b :: y' => (a + b) :: plus x' y'
  | [], _ => y
  | _, [] => x
  end.

Definition apply (k : step) (before : list vec) : vec :=
  match k with
  | Affine s e rows => map (fun row => dot row (1 :: nth s before []) * over e) rows
  | Conv s e reads rows =>
      flat_map (fun row => map (fun tap => dot row (1 :: map (element (nth s before [])) tap) * over e) reads) rows
  | Shift s e b => plus (nth s before []) (map (fun n => ι n * over e) b)
  | Relu s e a => map (relu e a) (nth s before [])
  | Add s t => plus (nth s before []) (nth t before [])
  end.

Definition run (network : list step) (x : vec) : vec :=
  hd [] (fold_left (fun before k => apply k before :: before) network [x]).

(* A region: for each input its least and its largest value. *)
Definition inside (x : vec) (region : list (Q * Q)) : Prop :=
  Forall2 (fun v ends => fst ends <= v /\ v <= snd ends) x region.

(* What is unsafe: one of several alternatives, in which every constraint holds. *)
Record constraint := Constraint { terms : list Z; bound : Z; strict : bool }.

Definition holds (y : vec) (c : constraint) : Prop :=
  if strict c then dot (terms c) y < ι (bound c) else dot (terms c) y <= ι (bound c).

Definition unsafe (alternatives : list (list constraint)) (y : vec) : Prop :=
  Exists (Forall (holds y)) alternatives.

(* For counterexamples: ends of the region (input, is it the upper one) that do not belong to it. *)
Definition away (x : vec) (region : list (Q * Q)) (ends : list (nat * bool)) : Prop :=
  Forall (fun e : nat * bool => let (i, upper) := e in
    if upper then nth i x 0 < snd (nth i region (0, 0)) else fst (nth i region (0, 0)) < nth i x 0) ends.
