// Compiled several times, with WB_SET the name of the instruction set that the compiler was allowed to use.  Nothing of
// the standard library that the linker could merge between them is used here.
#include "loops.h"

#include "workbench/ordered.h"
#include "workbench/relaxed.h"

#include <stdlib.h>
#if defined(__FMA__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace workbench {
#if !defined(WB_EVERY_MODE)
namespace base {
extern const Loops all;
}
#endif
namespace WB_SET {
namespace {

// Eight numbers; sixteen floats.  The compiler cuts them into what the processor has.
typedef double V __attribute__((vector_size(64), aligned(8)));
typedef float F __attribute__((vector_size(64), aligned(4)));
typedef std::int64_t I __attribute__((vector_size(64), aligned(8)));

WB_BOTH V load(const double* p) {
    V v;
    memcpy(&v, p, sizeof v);
    return v;
}

WB_BOTH void store(double* p, V v) { memcpy(p, &v, sizeof v); }

WB_BOTH V every(double x, V*) { return V{x, x, x, x, x, x, x, x}; }
WB_BOTH F every(float x, F*) { return F{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

WB_BOTH V size_of(V v) {
    constexpr std::int64_t kept = ~SIGN;
    return (V)((I)v & I{kept, kept, kept, kept, kept, kept, kept, kept});
}

WB_BOTH double total(V v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// sum + a b, fused where the processor can: for sums whose order is nobody's promise (see relaxed.h)
WB_BOTH V joined(V a, V b, V sum) {
#if defined(__AVX512F__)
    return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)sum);
#elif defined(__FMA__)
    union Halves {
        V whole;
        __m256d half[2];
    } x = {a}, y = {b}, z = {sum};
    z.half[0] = _mm256_fmadd_pd(x.half[0], y.half[0], z.half[0]);
    z.half[1] = _mm256_fmadd_pd(x.half[1], y.half[1], z.half[1]);
    return z.whole;
#else
    return sum + a * b;
#endif
}

// ------------------------------------------------------------------------------------------------ rounding

template <int MODE, bool PLAIN>
void round_all(const double* x, double* out, Index n, const Target& target) {
    const Target to = target;
    for (Index i = 0; i < n; ++i) out[i] = rounded<MODE, PLAIN>(x[i], to);
}

void round_(const double* x, double* out, Index n, const Target& to, int mode) {
    switch (mode) {
        case NEAREST_EVEN:
            return to.plain ? round_all<NEAREST_EVEN, true>(x, out, n, to) : round_all<NEAREST_EVEN, false>(x, out, n, to);
        case NEAREST_AWAY: return round_all<NEAREST_AWAY, false>(x, out, n, to);
        case TOWARD_ZERO: return round_all<TOWARD_ZERO, false>(x, out, n, to);
        case UP: return round_all<UP, false>(x, out, n, to);
        case DOWN: return round_all<DOWN, false>(x, out, n, to);
        default: return round_all<TO_ODD, false>(x, out, n, to);
    }
}

// ------------------------------------------------------------------------------------------------ sums in an order

// W sums side by side, N vectors of the hardware's.
template <class Vector, int N>
struct Several {
    Vector v[N];
};

template <class Scalar, class Vector, int N>
struct Plain {
    using Value = Several<Vector, N>;
    static constexpr Index WIDTH = N * sizeof(Vector) / sizeof(Scalar);
    WB_BOTH Value add(const Value& a, const Value& b) const {
        Value c;
        for (int i = 0; i < N; ++i) c.v[i] = a.v[i] + b.v[i];
        return c;
    }
    WB_BOTH Value mul(Scalar x, const Scalar* y) const {
        Value c;
        for (int i = 0; i < N; ++i) {
            Vector part;
            memcpy(&part, y + i * (WIDTH / N), sizeof part);
            c.v[i] = every(x, (Vector*)nullptr) * part;
        }
        return c;
    }
    WB_BOTH Value fma(Scalar x, const Scalar* y, const Value& sum) const {
        Value c;
        for (int i = 0; i < N; ++i)
            for (int j = 0; j < WIDTH / N; ++j)
                c.v[i][j] = sizeof(Scalar) == 4
                                ? (Scalar)__builtin_fmaf((float)x, (float)y[i * (WIDTH / N) + j], (float)sum.v[i][j])
                                : (Scalar)__builtin_fma(x, y[i * (WIDTH / N) + j], sum.v[i][j]);
        return c;
    }
};

template <int MODE, bool PLAIN>
struct Carried {
    static constexpr Index WIDTH = 16;
    struct Value {
        double v[WIDTH];
    };
    Narrow<MODE, PLAIN> one;
    WB_BOTH Value add(const Value& a, const Value& b) const {
        Value c;
        for (int j = 0; j < WIDTH; ++j) c.v[j] = one.add(a.v[j], b.v[j]);
        return c;
    }
    WB_BOTH Value mul(double x, const double* y) const {
        Value c;
        for (int j = 0; j < WIDTH; ++j) c.v[j] = one.mul(x, y[j]);
        return c;
    }
    WB_BOTH Value fma(double x, const double* y, const Value& sum) const {
        Value c;
        for (int j = 0; j < WIDTH; ++j) c.v[j] = one.fma(x, y[j], sum.v[j]);
        return c;
    }
};

template <class Scalar, class A>
struct Leaf {
    const A& a;
    const Scalar *x, *y;
    Index stride;
    WB_BOTH typename A::Value product(Index k) const { return a.mul(x[k], y + k * stride); }
    WB_BOTH typename A::Value fused(Index k, const typename A::Value& sum) const {
        return a.fma(x[k], y + k * stride, sum);
    }
};

template <class Scalar, class A>
bool ordered(const A& a, const Scalar* x, const Scalar* y, Scalar* out, Index n, Index k, Index m, Order order,
             const Index* sequence, Index size) {
    constexpr Index W = A::WIDTH;
    using Value = typename A::Value;
    Value* room = order == PAIRWISE ? (Value*)aligned_alloc(64, k * sizeof(Value)) : nullptr;
    Scalar* last = m % W ? (Scalar*)calloc(k * W, sizeof(Scalar)) : nullptr;
    if ((order == PAIRWISE && !room) || (m % W && !last)) {
        free(room);
        free(last);
        return false;
    }
    for (Index column = 0; column < m; column += W) {
        const Index wide = m - column < W ? m - column : W;
        const Scalar* from = y + column;
        Index stride = m;
        if (wide < W) {  // the columns that are left, with zeros beside them
            for (Index i = 0; i < k; ++i) memcpy(last + i * W, y + i * m + column, wide * sizeof(Scalar));
            from = last;
            stride = W;
        }
        for (Index row = 0; row < n; ++row) {
            const Leaf<Scalar, A> leaf{a, x + row * k, from, stride};
            const Value sum = order == RUNNING   ? running<false>(a, leaf, sequence, k)
                              : order == FUSED   ? running<true>(a, leaf, sequence, k)
                              : order == BLOCKED ? blocked(a, leaf, size, k)
                                                 : pairwise(a, leaf, room, k);
            memcpy(out + row * m + column, &sum, wide * sizeof(Scalar));
        }
    }
    free(room);
    free(last);
    return true;
}

bool ordered32(const float* x, const float* y, float* out, Index n, Index k, Index m, Order order,
               const Index* sequence, Index size) {
    if (m > 16) return ordered(Plain<float, F, 4>{}, x, y, out, n, k, m, order, sequence, size);
    return ordered(Plain<float, F, 1>{}, x, y, out, n, k, m, order, sequence, size);
}

bool ordered64(const double* x, const double* y, double* out, Index n, Index k, Index m, Order order,
               const Index* sequence, Index size) {
    if (m > 8) return ordered(Plain<double, V, 4>{}, x, y, out, n, k, m, order, sequence, size);
    return ordered(Plain<double, V, 1>{}, x, y, out, n, k, m, order, sequence, size);
}

template <int MODE, bool PLAIN>
bool carried(const double* x, const double* y, double* out, Index n, Index k, Index m, Order order,
             const Index* sequence, Index size, const Target& to) {
    return ordered(Carried<MODE, PLAIN>{{to}}, x, y, out, n, k, m, order, sequence, size);
}

// Every mode once; the one that everybody runs in for each set of instructions.
bool ordered_in(const double* x, const double* y, double* out, Index n, Index k, Index m, Order order,
                const Index* sequence, Index size, const Target& to, int mode) {
    if (mode == NEAREST_EVEN && to.plain)
        return carried<NEAREST_EVEN, true>(x, y, out, n, k, m, order, sequence, size, to);
#if defined(WB_EVERY_MODE)
    Target own = to;
    own.mode = mode;
    return carried<ANY, false>(x, y, out, n, k, m, order, sequence, size, own);
#else
    return base::all.ordered_in(x, y, out, n, k, m, order, sequence, size, to, mode);
#endif
}

// ------------------------------------------------------------------------------------------------ the backward walk

void dots(const double* rows, Index count, Index n, const double* signed_, const double* absolute, double* low,
          double* loss) {
    for (Index r = 0; r < count; ++r) {
        const double* row = rows + r * n;
        V a[2] = {}, b[2] = {};
        Index i = 0;
        for (; i + 16 <= n; i += 16) {
            for (int h = 0; h < 2; ++h) {
                const V v = load(row + i + 8 * h);
                if (signed_) a[h] = joined(v, load(signed_ + i + 8 * h), a[h]);
                if (absolute) b[h] = joined(size_of(v), load(absolute + i + 8 * h), b[h]);
            }
        }
        double x = total(a[0] + a[1]), y = total(b[0] + b[1]);
        for (; i < n; ++i) {
            if (signed_) x += row[i] * signed_[i];
            if (absolute) y += magnitude(row[i]) * absolute[i];
        }
        if (signed_) low[r] = x;
        if (absolute) loss[r] = y;
    }
}

// Eight coefficients, and their part of the three dot products.
WB_BOTH V relax_eight(V row, const Lines& l, Index i, V (&sum)[3]) {
    const V size = size_of(row);
    if (l.charge) sum[2] = joined(size, load(l.charge + i), sum[2]);
    if (l.offset) {
        sum[0] = joined(row, load(l.offset + i), sum[0]);
        sum[1] = joined(size, load(l.offset_gap + i), sum[1]);
    }
    return relaxed(row, size, load(l.slope + i), load(l.slope_gap + i));
}

// The lines of one row.
WB_BOTH Lines lines_of(const Lines& all, Index row, Index m) {
    if (!all.which) return all;
    const Index by = all.which[row] * m;
    return {all.slope + by, all.slope_gap + by, all.offset ? all.offset + by : nullptr,
            all.offset ? all.offset_gap + by : nullptr, all.charge ? all.charge + by : nullptr, nullptr};
}

void relax(double* rows, Index count, Index k, const Index* at, Index m, const Lines& lines, const Sums& sums) {
    for (Index r = 0; r < count; ++r) {
        const Lines l = lines_of(lines, r, m);
        double* row = rows + r * k;
        V sum[3] = {};
        Index i = 0;
        if (at) {
            for (; i + 8 <= m; i += 8) {
                V v;
                for (int j = 0; j < 8; ++j) v[j] = row[at[i + j]];
                v = relax_eight(v, l, i, sum);
                for (int j = 0; j < 8; ++j) row[at[i + j]] = v[j];
            }
        } else {
            for (; i + 8 <= m; i += 8) store(row + i, relax_eight(load(row + i), l, i, sum));
        }
        double low = total(sum[0]), gap = total(sum[1]), cost = total(sum[2]);
        for (; i < m; ++i) {
            double& here = row[at ? at[i] : i];
            const double v = here, size = magnitude(v);
            if (l.charge) cost += size * l.charge[i];
            if (l.offset) {
                low += v * l.offset[i];
                gap += size * l.offset_gap[i];
            }
            here = relaxed(v, size, l.slope[i], l.slope_gap[i]);
        }
        if (l.offset) {
            sums.low[r] = low;
            sums.gap[r] = gap;
        }
        if (l.charge) sums.cost[r] = cost;
    }
}

#if defined(__AVX512F__)
constexpr int ROWS = 8;
#elif defined(__AVX__)
constexpr int ROWS = 3;
#else
constexpr int ROWS = 2;
#endif
constexpr Index ACROSS = 16;  // columns of a panel
constexpr Index BLOCK = 48;   // rows that go through all tiles before the next ones: they stay in the cache

// SOME rows, columns `take` of each, times one panel.
template <int SOME, bool PICKED>
WB_BOTH void multiply(const double* rows, Index width, const Index* take, Index k, const double* panel, double* out,
                      Index wide, Index some) {
    V sum[SOME][2] = {};
    for (Index i = 0; i < k; ++i) {
        const V first = load(panel + i * ACROSS), second = load(panel + i * ACROSS + 8);
        const double* from = rows + (PICKED ? take[i] : i);
        for (int r = 0; r < SOME; ++r) {
            const V all = every(from[r * width], (V*)nullptr);
            sum[r][0] = joined(all, first, sum[r][0]);
            sum[r][1] = joined(all, second, sum[r][1]);
        }
    }
    for (int r = 0; r < SOME; ++r) {
        if (some == ACROSS) {
            store(out + r * wide, sum[r][0]);
            store(out + r * wide + 8, sum[r][1]);
        } else {
            memcpy(out + r * wide, sum[r], some * sizeof(double));
        }
    }
}

template <int SOME>
void through(const double* rows, Index width, const Tile& tile, const double* panels, double* out, Index wide) {
    for (Index column = 0; column < tile.j; column += ACROSS, panels += tile.k * ACROSS) {
        const Index some = tile.j - column < ACROSS ? tile.j - column : ACROSS;
        double* to = out + tile.first + column;
        if (tile.take)
            multiply<SOME, true>(rows, width, tile.take, tile.k, panels, to, wide, some);
        else
            multiply<SOME, false>(rows, width, nullptr, tile.k, panels, to, wide, some);
    }
}

void product(const double* rows, Index count, Index width, const Tile* tiles, Index many, double* out, Index wide,
             double* panels) {
    double* to = panels;  // every tile cut into panels of ACROSS columns, the last one filled up with zeros
    for (Index t = 0; t < many; ++t) {
        const Tile& tile = tiles[t];
        for (Index column = 0; column < tile.j; column += ACROSS) {
            const Index some = tile.j - column < ACROSS ? tile.j - column : ACROSS;
            for (Index i = 0; i < tile.k; ++i, to += ACROSS) {
                memcpy(to, tile.matrix + i * tile.j + column, some * sizeof(double));
                for (Index j = some; j < ACROSS; ++j) to[j] = 0;
            }
        }
    }
    for (Index block = 0; block < count; block += BLOCK) {
        const Index end = count < block + BLOCK ? count : block + BLOCK;
        const double* panel = panels;
        for (Index t = 0; t < many; ++t) {
            const Tile& tile = tiles[t];
            Index row = block;
            for (; row + ROWS <= end; row += ROWS)
                through<ROWS>(rows + row * width, width, tile, panel, out + row * wide, wide);
            for (; row < end; ++row) through<1>(rows + row * width, width, tile, panel, out + row * wide, wide);
            panel += (tile.j + ACROSS - 1) / ACROSS * ACROSS * tile.k;
        }
    }
}

#define WB_TEXT_(x) #x
#define WB_TEXT(x) WB_TEXT_(x)

}  // namespace

extern const Loops all;
const Loops all = {WB_TEXT(WB_SET), round_, ordered32, ordered64, ordered_in, dots, relax, product};

}  // namespace WB_SET
}  // namespace workbench
