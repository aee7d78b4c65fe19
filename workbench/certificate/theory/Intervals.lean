prelude
/- Interval bounds of a chain of affine layers and relus, for Lean's kernel; no library is imported, not even `Init`.

   All numbers are naturals.  A row has what is added and what is taken away: its value at x is `dot add x - dot take x`,
   and because a natural subtraction ends at 0, that is the relu of it.  Everything that holds of a row follows from this:
   it grows with the first x and shrinks with the second one. -/
set_option autoImplicit false
set_option linter.all false
set_option genCtorIdx false
set_option genInjectivity false
set_option genSizeOf false
set_option maxRecDepth 1000000
universe u v

unsafe axiom lcErased : Type  -- names that Lean's compiler looks up; a theorem cannot use them
unsafe axiom lcAny : Type
unsafe axiom lcVoid : Type
unsafe axiom lcProof {α : Prop} : α
unsafe axiom lcUnreachable {α : Sort u} : α

inductive Eq {α : Sort u} : α → α → Prop where
  | refl (a : α) : Eq a a

structure And (a b : Prop) : Prop where
  intro ::
  left : a
  right : b

inductive Nat : Type where
  | zero
  | succ (n : Nat)

inductive Bool : Type where
  | false
  | true

class OfNat (α : Type u) (n : Nat) where
  ofNat : α
instance instOfNatNat (n : Nat) : OfNat Nat n := OfNat.mk n

inductive List (α : Type u) : Type u where
  | nil
  | cons (head : α) (tail : List α)

-- The kernel computes these three with whole numbers at once: they must be the usual functions, and they are.
noncomputable def Nat.add (a b : Nat) : Nat := Nat.rec (motive := fun _ => Nat) a (fun _ c => Nat.succ c) b
noncomputable def Nat.mul (a b : Nat) : Nat := Nat.rec (motive := fun _ => Nat) Nat.zero (fun _ c => Nat.add c a) b
noncomputable def Nat.pred (a : Nat) : Nat := Nat.rec (motive := fun _ => Nat) Nat.zero (fun b _ => b) a
noncomputable def Nat.sub (a b : Nat) : Nat := Nat.rec (motive := fun _ => Nat) a (fun _ c => Nat.pred c) b

noncomputable def dot (w : List Nat) : List Nat → Nat :=
  List.rec (motive := fun _ => List Nat → Nat) (fun _ => Nat.zero)
    (fun a _ rest x => List.rec (motive := fun _ => Nat) Nat.zero (fun b y _ => Nat.add (Nat.mul a b) (rest y)) x) w

structure Row : Type where
  add : List Nat
  take : List Nat

/-- The relu of a row, its added part at x and the part taken away at y; the network has x = y. -/
noncomputable def value (r : Row) (x y : List Nat) : Nat := Nat.sub (dot (Row.add r) x) (dot (Row.take r) y)

noncomputable def layer (rows : List Row) (x y : List Nat) : List Nat :=
  List.rec (motive := fun _ => List Nat) List.nil (fun r _ rest => List.cons (value r x y) rest) rows

inductive Below (a : Nat) : Nat → Prop where
  | same : Below a a
  | more {b : Nat} (h : Below a b) : Below a (Nat.succ b)

/-- Lists of one length, one below the other in every element. -/
inductive All : List Nat → List Nat → Prop where
  | none : All List.nil List.nil
  | also {a b : Nat} {x y : List Nat} (h : Below a b) (t : All x y) : All (List.cons a x) (List.cons b y)

theorem then_ {a b c : Nat} (h : Below a b) (k : Below b c) : Below a c :=
  Below.rec (motive := fun d _ => Below a d) h (fun _ up => Below.more up) k

theorem both_succ {a b : Nat} (h : Below a b) : Below (Nat.succ a) (Nat.succ b) :=
  Below.rec (motive := fun d _ => Below (Nat.succ a) (Nat.succ d)) (@Below.same (Nat.succ a))
    (fun {d} _ up => @Below.more (Nat.succ a) (Nat.succ d) up) h

theorem pred_below (a : Nat) : Below (Nat.pred a) a :=
  Nat.rec (motive := fun d => Below (Nat.pred d) d) Below.same (fun _ _ => Below.more Below.same) a

theorem both_pred {a b : Nat} (h : Below a b) : Below (Nat.pred a) (Nat.pred b) :=
  Below.rec (motive := fun d _ => Below (Nat.pred a) (Nat.pred d)) Below.same (fun k _ => then_ (pred_below a) k) h

theorem sub_grows {a b : Nat} (h : Below a b) (c : Nat) : Below (Nat.sub a c) (Nat.sub b c) :=
  Nat.rec (motive := fun d => Below (Nat.sub a d) (Nat.sub b d)) h (fun _ up => both_pred up) c

theorem sub_shrinks (a : Nat) {b c : Nat} (h : Below b c) : Below (Nat.sub a c) (Nat.sub a b) :=
  Below.rec (motive := fun d _ => Below (Nat.sub a d) (Nat.sub a b)) Below.same
    (fun {d} _ down => then_ (pred_below (Nat.sub a d)) down) h

theorem add_more (a c : Nat) : Below a (Nat.add a c) :=
  Nat.rec (motive := fun d => Below a (Nat.add a d)) Below.same (fun _ up => Below.more up) c

theorem add_grows {a b : Nat} (h : Below a b) (c : Nat) : Below (Nat.add a c) (Nat.add b c) :=
  Nat.rec (motive := fun d => Below (Nat.add a d) (Nat.add b d)) h (fun _ up => both_succ up) c

theorem add_grows_right (a : Nat) {b c : Nat} (h : Below b c) : Below (Nat.add a b) (Nat.add a c) :=
  Below.rec (motive := fun d _ => Below (Nat.add a b) (Nat.add a d)) Below.same (fun _ up => Below.more up) h

theorem mul_grows (a : Nat) {b c : Nat} (h : Below b c) : Below (Nat.mul a b) (Nat.mul a c) :=
  Below.rec (motive := fun d _ => Below (Nat.mul a b) (Nat.mul a d)) Below.same
    (fun {d} _ up => then_ up (add_more (Nat.mul a d) a)) h

theorem dot_grows (w : List Nat) : ∀ (x y : List Nat), All x y → Below (dot w x) (dot w y) :=
  List.rec (motive := fun w => ∀ (x y : List Nat), All x y → Below (dot w x) (dot w y)) (fun _ _ _ => Below.same)
    (fun a v rest x y every =>
      All.rec (motive := fun x y _ => Below (dot (List.cons a v) x) (dot (List.cons a v) y)) Below.same
        (fun {b c x y} h t _ => then_ (add_grows (mul_grows a h) (dot v x)) (add_grows_right (Nat.mul a c) (rest x y t)))
        every) w

theorem value_grows (r : Row) {x x' y y' : List Nat} (h : All x x') (k : All y' y) :
    Below (value r x y) (value r x' y') :=
  then_ (sub_grows (dot_grows (Row.add r) x x' h) (dot (Row.take r) y))
    (sub_shrinks (dot (Row.add r) x') (dot_grows (Row.take r) y' y k))

theorem layer_grows (rows : List Row) {x x' y y' : List Nat} (h : All x x') (k : All y' y) :
    All (layer rows x y) (layer rows x' y') :=
  List.rec (motive := fun rows => All (layer rows x y) (layer rows x' y')) All.none
    (fun r _ rest => All.also (value_grows r h k) rest) rows

theorem replaced {x y z : List Nat} (e : Eq x y) (h : All x z) : All y z :=
  Eq.rec (motive := fun d _ => All d z) h e

theorem replaced_right {x y z : List Nat} (e : Eq x y) (h : All z x) : All z y :=
  Eq.rec (motive := fun d _ => All z d) h e

/-- What the kernel computes from bounds of a layer's operand bounds its result. -/
theorem bounded {rows : List Row} {low high x low' high' : List Nat}
    (e : Eq (layer rows low high) low') (f : Eq (layer rows high low) high') (h : And (All low x) (All x high)) :
    And (All low' (layer rows x x)) (All (layer rows x x) high') :=
  And.intro (replaced e (layer_grows rows (And.left h) (And.right h)))
    (replaced_right f (layer_grows rows (And.right h) (And.left h)))
