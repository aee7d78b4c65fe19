// The loops over whole arrays, compiled once for each instruction set; `loops()` is the best that this machine has.
#pragma once
#include <cstdint>

#include "workbench/rounding.h"

namespace workbench {

using Index = std::int64_t;

enum Order { RUNNING, FUSED, BLOCKED, PAIRWISE };

// One tile of a linear map: columns `take` (null: the first k) of the rows, times a matrix (k, j), from column `first`.
struct Tile {
    const Index* take;
    const double* matrix;
    Index k, j, first;
};

// Lines of one operand: m numbers each, or as many times m as there are regions, and then `which` says of which one each
// row is.  Offsets are null where all are 0, charges where nothing is charged here.
struct Lines {
    const double *slope, *slope_gap, *offset, *offset_gap, *charge;
    const Index* which;
};

// What relaxing rows gives besides: row . offset, |row| . offset_gap and |row| . charge, by row.
struct Sums {
    double *low, *gap, *cost;
};

struct Loops {
    const char* name;
    void (*round)(const double* x, double* out, Index n, const Target& to, int mode);
    // x (n, k), y (k, m), row-major; every element of out (n, m) is one sum; false where there is no memory for it
    bool (*ordered32)(const float* x, const float* y, float* out, Index n, Index k, Index m, Order order,
                      const Index* sequence, Index size);
    bool (*ordered64)(const double* x, const double* y, double* out, Index n, Index k, Index m, Order order,
                      const Index* sequence, Index size);
    bool (*ordered_in)(const double* x, const double* y, double* out, Index n, Index k, Index m, Order order,
                       const Index* sequence, Index size, const Target& to, int mode);
    // by row: row . signed_ and |row| . absolute (either null)
    void (*dots)(const double* rows, Index count, Index n, const double* signed_, const double* absolute,
                 double* low, double* loss);
    // rows (count, k) of one region in place, on the elements `at` (null: all m = k)
    void (*relax)(double* rows, Index count, Index k, const Index* at, Index m, const Lines& lines,
                  const Sums& sums);
    void (*product)(const double* rows, Index count, Index width, const Tile* tiles, Index many, double* out,
                    Index wide, double* panels);
};

// How many numbers `product` needs room for.
Index panels_of(const Tile* tiles, Index many);

const Loops& loops();

}  // namespace workbench
