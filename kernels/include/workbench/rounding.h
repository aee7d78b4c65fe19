// One number rounded to a format: workbench/floats/rounding.py, operation for operation, so that both give the same bits.
// The proofs stand there.  Nothing here may be contracted to a fused multiply-add: compile with -ffp-contract=off, on a
// GPU with -fmad=false.
#pragma once
#include <cmath>

#include "portable.h"

namespace workbench {

// ANY: the one that the target names, which takes a choice a number.
enum Mode { ANY = -1, NEAREST_EVEN, NEAREST_AWAY, TOWARD_ZERO, UP, DOWN, TO_ODD };

// A format as numbers.  `plain`: adding and subtracting `magic` times the first place rounds to nearest even (there is
// room for it in binary64, and subnormal numbers are kept); else steps are counted one by one.
struct Target {
    double largest, lowest, beyond, normal, magic, step, finest;
    bool plain, subnormals, fixed, infinities, saturate;
    int mode = NEAREST_EVEN;
};

// 2^floor(log2 |x|); 0 for what is subnormal in binary64, infinity for infinities and NaN.
WB_BOTH double first_place(double x) { return float_of(bits_of(x) & EXPONENT); }

WB_BOTH double whole(double y, int mode) {
    if (mode == NEAREST_EVEN) return std::nearbyint(y);
    if (mode == TOWARD_ZERO) return std::trunc(y);
    if (mode == UP) return std::ceil(y);
    if (mode == DOWN) return std::floor(y);
    const double cut = std::trunc(y);
    if (mode == NEAREST_AWAY) return cut + std::trunc(2 * (y - cut));
    const bool even = std::trunc(cut * 0.5) * 2 == cut;
    return even && cut != y ? cut + (y > 0 ? 1.0 : -1.0) : cut;
}

template <int MODE>
WB_BOTH double counted(double inner, const Target& to) {
    const int mode = MODE == ANY ? to.mode : MODE;
    const double step = larger(first_place(inner) * to.step, to.finest);
    double y = inner / step;
    if (to.finest > 1) y = y == 0 && inner != 0 ? with_sign(0x1p-1000, inner) : y;
    double r = with_sign(whole(y, mode) * step, inner);
    if (!to.subnormals) {
        const bool tiny = magnitude(r) < to.normal && r != 0;
        const bool away = mode == UP ? r > 0 : mode == DOWN ? r < 0 : false;
        r = tiny ? with_sign(away ? to.normal : 0.0, r) : r;
    }
    return r;
}

// What becomes of a result r outside of the format's range, and of infinities.
template <int MODE>
WB_BOTH double ended(double x, double r, const Target& to) {
    const int mode = MODE == ANY ? to.mode : MODE;
    const double huge = 1.7976931348623157e308;
    const bool over = (r > to.largest) | (r < to.lowest) | ((to.beyond == huge) & (magnitude(x) > to.beyond));
    const bool beyond = mode == UP ? x > 0 : mode == DOWN ? x < 0 : !(mode == TOWARD_ZERO || mode == TO_ODD);
    const bool given = magnitude(x) > huge;
    const bool infinite = !to.saturate & (beyond | given);
    const double end = with_sign(to.infinities ? INFINITY : NAN, x);
    const double limit = x > 0 ? to.largest : to.lowest;
    return over ? (infinite ? end : limit) : r;
}

template <int MODE, bool PLAIN>
WB_BOTH double rounded(double x, const Target& to) {
    double inner = x < -to.beyond ? -to.beyond : x;
    inner = inner > to.beyond ? to.beyond : inner;
    double r;
    if (MODE == NEAREST_EVEN && PLAIN) {
        const double scale = larger(first_place(inner), to.normal) * to.magic;
        r = with_sign((inner + scale) - scale, inner);
    } else {
        r = counted<MODE>(inner, to);
    }
    if (to.fixed) r = r + 0.0;
    return ended<MODE>(x, r, to);
}

}  // namespace workbench
