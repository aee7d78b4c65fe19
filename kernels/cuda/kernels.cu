// The twins for a GPU: the same headers, one thread a number or a sum, one block a row.  Compile with -fmad=false:
// rounding and ordered sums then give the bits that the processor gives; rows and their dot products are within the
// same gamma_n (relaxed.h), as a tree of partial sums is an order like any other.
#include "workbench/ordered.h"
#include "workbench/relaxed.h"

using namespace workbench;

extern "C" {

__global__ void round_nearest_even(const double* x, double* out, std::int64_t n, Target to) {
    const std::int64_t i = blockIdx.x * std::int64_t(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = to.plain ? rounded<NEAREST_EVEN, true>(x[i], to) : rounded<NEAREST_EVEN, false>(x[i], to);
}

// out (n, m) = x (n, k) times y (k, m); every sum from the first leaf to the last, or in blocks where size > 0.
__global__ void ordered_in(const double* x, const double* y, double* out, std::int64_t n, std::int64_t k,
                           std::int64_t m, const std::int64_t* sequence, std::int64_t size, Target to) {
    const std::int64_t i = blockIdx.x * std::int64_t(blockDim.x) + threadIdx.x;
    if (i >= n * m) return;
    const Narrow<NEAREST_EVEN, true> a{to};
    struct Leaf {
        const Narrow<NEAREST_EVEN, true>& a;
        const double *x, *y;
        std::int64_t stride;
        __device__ double product(std::int64_t at) const { return a.mul(x[at], y[at * stride]); }
        __device__ double fused(std::int64_t at, double sum) const { return a.fma(x[at], y[at * stride], sum); }
    } leaf{a, x + i / m * k, y + i % m, m};
    out[i] = size > 0 ? blocked(a, leaf, size, k) : running<false>(a, leaf, sequence, k);
}

// One block a row: coefficients in place, and row . offset + |row| . offset_gap and |row| . charge.  blockDim.x is a
// power of two, and twice as many doubles are shared.
__global__ void relax(double* rows, std::int64_t k, const double* slope, const double* slope_gap, const double* offset,
                      const double* offset_gap, const double* charge, double* added, double* cost) {
    extern __shared__ double sums[];
    double* row = rows + blockIdx.x * k;
    double plus = 0, minus = 0;
    for (std::int64_t i = threadIdx.x; i < k; i += blockDim.x) {
        const double v = row[i], size = magnitude(v);
        plus += v * offset[i] + size * offset_gap[i];
        minus += size * charge[i];
        row[i] = relaxed(v, size, slope[i], slope_gap[i]);
    }
    double *first = sums, *second = sums + blockDim.x;
    first[threadIdx.x] = plus;
    second[threadIdx.x] = minus;
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) {
            first[threadIdx.x] += first[threadIdx.x + half];
            second[threadIdx.x] += second[threadIdx.x + half];
        }
    }
    if (threadIdx.x == 0) {
        added[blockIdx.x] = first[0];
        cost[blockIdx.x] = second[0];
    }
}

}  // extern "C"
