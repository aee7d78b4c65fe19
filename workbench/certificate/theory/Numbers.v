(* Many integers at once.  Coq reads machine integers quickly, but its theorems about them rest on axioms; the integers
   of its proofs are slow to read.  So they are read as machine integers, and turned into bytes before they are used. *)
From Coq Require Import ZArith List Bool Uint63 Sint63 Strings.Byte PArray.
Import ListNotations.
Local Open Scope Z_scope.

Inductive number :=  (* two's complement, the first byte is the highest *)
| B1 (a : byte)
| B2 (a b : byte)
| B3 (a b c : byte)
| B4 (a b c d : byte)
| B6 (a b c d e f : byte)
| B8 (a b c d e f g h : byte).

Definition low (b : byte) : Z := Z.of_N (Byte.to_N b).
Definition high (b : byte) : Z := let z := low b in if z <? 128 then z else z - 256.
Definition then_ (z : Z) (b : byte) : Z := 256 * z + low b.

Definition value (n : number) : Z :=
  match n with
  | B1 a => high a
  | B2 a b => then_ (high a) b
  | B3 a b c => then_ (then_ (high a) b) c
  | B4 a b c d => then_ (then_ (then_ (high a) b) c) d
  | B6 a b c d e f => then_ (then_ (then_ (then_ (then_ (high a) b) c) d) e) f
  | B8 a b c d e f g h => then_ (then_ (then_ (then_ (then_ (then_ (then_ (high a) b) c) d) e) f) g) h
  end.

Inductive row := End | One (a : number) (r : row) | Eight (a b c d e f g h : number) (r : row).

Fixpoint integers (r : row) : list Z :=
  match r with
  | End => []
  | One a r' => value a :: integers r'
  | Eight a b c d e f g h r' =>
      value a :: value b :: value c :: value d :: value e :: value f :: value g :: value h :: integers r'
  end.
Definition unpacked (rows : list row) : list (list Z) := map integers rows.

(* A sum of all numbers, each times a coefficient of its row and one of its column: whoever wrote the file knows it. *)
Definition probe (coefficients rows : list (list Z)) : Z :=
  let scalar := fix scalar (a b : list Z) := match a, b with u :: a', v :: b' => u * v + scalar a' b' | _, _ => 0 end in
  scalar (nth 0 coefficients []) (map (scalar (nth 1 coefficients [])) rows).

(* From here on nothing needs to be believed: a theorem speaks about the bytes that came out. *)
Definition every_byte : list byte :=
  Eval vm_compute in map (fun n => match Byte.of_nat n with Some b => b | None => x00 end) (seq 0 256).
Definition bytes : array byte :=
  (fix fill (l : list byte) (i : int) (a : array byte) : array byte :=
    match l with [] => a | b :: l' => fill l' (i + 1)%uint63 (PArray.set a i b) end)
  every_byte 0%uint63 (PArray.make 256%uint63 x00).

Definition byte_at (n k : int) : byte := PArray.get bytes (Uint63.land (Sint63.asr n k) 255)%uint63.
Definition fits (n bits : int) : bool := let r := Sint63.asr n bits in Uint63.eqb r 0 || Uint63.eqb r (-1)%sint63.

Definition pack (n : int) : number :=
  let b := byte_at n in
  (if fits n 7 then B1 (b 0)
  else if fits n 15 then B2 (b 8) (b 0)
  else if fits n 23 then B3 (b 16) (b 8) (b 0)
  else if fits n 31 then B4 (b 24) (b 16) (b 8) (b 0)
  else if fits n 47 then B6 (b 40) (b 32) (b 24) (b 16) (b 8) (b 0)
  else B8 (b 56) (b 48) (b 40) (b 32) (b 24) (b 16) (b 8) (b 0))%uint63.

Definition elements {A B} (f : A -> B) (a : array A) : list B :=
  (fix go (n : nat) (i : int) (l : list B) : list B :=
    match n with O => l | S n' => go n' (i - 1)%uint63 (f (PArray.get a i) :: l) end)
  (Z.to_nat (Uint63.to_Z (PArray.length a))) (PArray.length a - 1)%uint63 [].

Fixpoint joined (l : list number) : row :=
  match l with
  | a :: b :: c :: d :: e :: f :: g :: h :: l' => Eight a b c d e f g h (joined l')
  | a :: l' => One a (joined l')
  | [] => End
  end.

Definition packed (rows : array (array int)) : list row := elements (fun r => joined (elements pack r)) rows.
