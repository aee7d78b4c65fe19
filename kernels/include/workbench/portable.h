// Where a function runs: on the processor, or (compiled by nvcc) on both sides.
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define WB_BOTH __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define WB_BOTH inline __attribute__((always_inline))
#else
#define WB_BOTH inline
#endif

namespace workbench {

WB_BOTH std::int64_t bits_of(double x) {
    std::int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

WB_BOTH double float_of(std::int64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

constexpr std::int64_t SIGN = INT64_MIN;
constexpr std::int64_t EXPONENT = 0x7FF0000000000000;

// No calls of the mathematical library, so that every compiler turns these into the same few instructions.
WB_BOTH double magnitude(double x) { return float_of(bits_of(x) & ~SIGN); }
WB_BOTH double with_sign(double x, double of) { return float_of((bits_of(x) & ~SIGN) | (bits_of(of) & SIGN)); }
WB_BOTH double larger(double a, double b) { return a > b ? a : b; }

}  // namespace workbench
