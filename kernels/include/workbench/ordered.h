// Sums of products in a named order, one correctly rounded operation after another: workbench/floats/execute.py and
// machine.py, bit for bit.  An arithmetic says how two numbers are added and multiplied; a number may be one float (a
// thread of a GPU) or a vector of them (a processor): the order is the same for each.
#pragma once
#include "rounding.h"

namespace workbench {

// binary32 or binary64 as the hardware has them, to nearest.
template <class Value_>
struct Hardware {
    using Value = Value_;
    WB_BOTH Value add(Value a, Value b) const { return a + b; }
    template <class Factor>
    WB_BOTH Value mul(Factor a, Value b) const { return a * b; }
};

// A format of at most 24 bits, carried in binary64 and rounded once more (`Machine.narrow` says why that is right).
template <int MODE, bool PLAIN>
struct Narrow {
    using Value = double;
    Target to;
    WB_BOTH double add(double a, double b) const {
        const int mode = MODE == ANY ? to.mode : MODE;
        return rounded<MODE, PLAIN>(mode <= NEAREST_AWAY ? a + b : odd_sum(a, b), to);
    }
    WB_BOTH double mul(double a, double b) const { return rounded<MODE, PLAIN>(a * b, to); }
    WB_BOTH double fma(double a, double b, double c) const { return rounded<MODE, PLAIN>(odd_sum(a * b, c), to); }

    // a + b rounded to odd (TwoSum tells whether, and on which side, it is inexact).
    static WB_BOTH double odd_sum(double a, double b) {
        const double s = a + b, t = s - a;
        const double error = (a - (s - t)) + (b - t);
        const bool moves = (bits_of(s) & 1) == 0 && error != 0 && magnitude(error) < INFINITY;
        // the neighbour of s on the error's side; s is not 0 there, as an inexact sum is not
        const std::int64_t step = (error > 0) == (s > 0) ? 1 : -1;
        return moves ? float_of(bits_of(s) + step) : s;
    }
};

// ((x0 + x1) + x2) + ..., of the leaves in the sequence given.  Leaf: product(k), and fused(k, sum) = leaf + sum
// rounded once.
template <bool FUSED, class A, class Leaf>
WB_BOTH typename A::Value running(const A& a, const Leaf& leaf, const std::int64_t* sequence, std::int64_t n) {
    typename A::Value sum = leaf.product(sequence[0]);
    for (std::int64_t i = 1; i < n; ++i) {
        if constexpr (FUSED)
            sum = leaf.fused(sequence[i], sum);
        else
            sum = a.add(sum, leaf.product(sequence[i]));
    }
    return sum;
}

// Blocks of `size` neighbours, then their sums; each from the left.
template <class A, class Leaf>
WB_BOTH typename A::Value blocked(const A& a, const Leaf& leaf, std::int64_t size, std::int64_t n) {
    typename A::Value sum{};
    for (std::int64_t first = 0; first < n; first += size) {
        typename A::Value part = leaf.product(first);
        for (std::int64_t k = first + 1; k < first + size && k < n; ++k) part = a.add(part, leaf.product(k));
        sum = first == 0 ? part : a.add(sum, part);
    }
    return sum;
}

// Leaf i to leaf i + n / 2, an odd one waits; again on what is left.  `room` holds n numbers.
template <class A, class Leaf>
WB_BOTH typename A::Value pairwise(const A& a, const Leaf& leaf, typename A::Value* room, std::int64_t n) {
    for (std::int64_t k = 0; k < n; ++k) room[k] = leaf.product(k);
    for (; n > 1; n -= n / 2) {
        const std::int64_t half = n / 2;
        for (std::int64_t k = 0; k < half; ++k) room[k] = a.add(room[k], room[half + k]);
        if (n > 2 * half) room[half] = room[2 * half];
    }
    return room[0];
}

}  // namespace workbench
