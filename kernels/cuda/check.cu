// The twins, compiled for a GPU, and the headers that they share with the processor, run on it: reads n * k + k * m numbers, writes the product in
// bfloat16 three times (from the left; pairwise; in blocks of 4), then a third of the first n * k rounded to binary16.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kernels.cu"

static Target format(int precision, int emin, int emax) {
    Target to{};
    to.largest = std::ldexp(2.0 - std::ldexp(1.0, 1 - precision), emax);
    to.lowest = -to.largest;
    to.beyond = std::ldexp(1.0, emax + 1);
    to.normal = std::ldexp(1.0, emin);
    to.magic = 1.5 * std::ldexp(1.0, 53 - precision);
    to.step = std::ldexp(1.0, 1 - precision);
    to.finest = std::ldexp(1.0, emin - precision + 1);
    to.plain = to.subnormals = to.infinities = true;
    return to;
}

using Arithmetic = Narrow<NEAREST_EVEN, true>;

struct Leaf {
    Arithmetic a;
    const double *x, *y;
    std::int64_t stride;
    double product(std::int64_t k) const { return a.mul(x[k], y[k * stride]); }
    double fused(std::int64_t k, double sum) const { return a.fma(x[k], y[k * stride], sum); }
};

int main(int count, char** words) {
    if (count != 4) return 2;
    const std::int64_t n = atol(words[1]), k = atol(words[2]), m = atol(words[3]);
    std::vector<double> x(n * k), y(k * m), room(k);
    std::vector<std::int64_t> sequence(k);
    for (std::int64_t i = 0; i < k; ++i) sequence[i] = i;
    for (auto* all : {&x, &y})
        for (double& v : *all)
            if (scanf("%la", &v) != 1) return 3;
    const Arithmetic a{format(8, -126, 127)};
    for (int order = 0; order < 3; ++order)
        for (std::int64_t i = 0; i < n * m; ++i) {
            const Leaf leaf{a, &x[i / m * k], &y[i % m], m};
            printf("%a\n", order == 0   ? running<false>(a, leaf, sequence.data(), k)
                           : order == 1 ? pairwise(a, leaf, room.data(), k)
                                        : blocked(a, leaf, 4, k));
        }
    const Target half = format(11, -14, 15);
    for (double v : x) printf("%a\n", rounded<NEAREST_EVEN, true>(v / 3, half));
}
