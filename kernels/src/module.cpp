// What Python sees: arrays are NumPy's, of the exact type and layout; nothing is converted, results go where told.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "loops.h"

namespace nb = nanobind;
using namespace nb::literals;
using workbench::Index;

namespace {

template <class T, int N>
using In = nb::ndarray<const T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T, int N>
using Out = nb::ndarray<T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
using Vectors = std::optional<In<double, 2>>;  // (regions or 1, k)
using Places = std::optional<In<Index, 1>>;

void check(bool fits, const char* what) {
    if (!fits) throw std::invalid_argument(what);
}

// The vector of region b, of as many as there are; each of k numbers.
const double* vector_of(const Vectors& v, size_t b, size_t regions, size_t k) {
    if (!v) return nullptr;
    check(v->shape(1) == k && (v->shape(0) == 1 || v->shape(0) == regions), "a vector does not fit the rows");
    return v->data() + (v->shape(0) == 1 ? 0 : b * k);
}

void check_places(const Places& places, size_t below) {
    if (!places) return;
    for (size_t i = 0; i < places->shape(0); ++i)
        check(places->data()[i] >= 0 && size_t(places->data()[i]) < below, "a place outside of the rows");
}

void round_to(In<double, 1> x, Out<double, 1> out, const workbench::Target& to, int mode) {
    check(x.shape(0) == out.shape(0), "out is not of x's size");
    nb::gil_scoped_release free;
    workbench::loops().round(x.data(), out.data(), Index(x.shape(0)), to, mode);
}

template <class T, class Run>
void ordered(In<T, 3> x, In<T, 3> y, Out<T, 3> out, const Places& sequence, workbench::Order order, const Run& run) {
    const size_t count = out.shape(0), n = out.shape(1), m = out.shape(2), k = x.shape(2);
    check(k > 0 && y.shape(1) == k && x.shape(1) == n && y.shape(2) == m, "the operands do not fit each other");
    check((x.shape(0) == 1 || x.shape(0) == count) && (y.shape(0) == 1 || y.shape(0) == count), "the batches differ");
    const bool runs = order == workbench::RUNNING || order == workbench::FUSED;
    check(!runs || (sequence && sequence->shape(0) == k), "a running sum needs its sequence of all leaves");
    check_places(sequence, k);
    nb::gil_scoped_release free;
    bool done = true;
    for (size_t b = 0; b < count && done; ++b)
        done = run(x.data() + (x.shape(0) == 1 ? 0 : b * n * k), y.data() + (y.shape(0) == 1 ? 0 : b * k * m),
            out.data() + b * n * m, Index(n), Index(k), Index(m), sequence ? sequence->data() : nullptr);
    if (!done) throw std::bad_alloc();
}

void dots(In<double, 3> rows, const Vectors& signed_, const Vectors& absolute, std::optional<Out<double, 2>> low,
          std::optional<Out<double, 2>> loss) {
    const size_t regions = rows.shape(0), count = rows.shape(1), k = rows.shape(2);
    check(bool(signed_) == bool(low) && bool(absolute) == bool(loss), "a result for each vector");
    for (const auto& out : {low, loss})
        check(!out || (out->shape(0) == regions && out->shape(1) == count), "out is not of the rows' size");
    std::vector<std::pair<const double*, const double*>> vectors;
    for (size_t b = 0; b < regions; ++b)
        vectors.emplace_back(vector_of(signed_, b, regions, k), vector_of(absolute, b, regions, k));
    nb::gil_scoped_release free;
    for (size_t b = 0; b < regions; ++b)
        workbench::loops().dots(rows.data() + b * count * k, Index(count), Index(k), vectors[b].first,
                                vectors[b].second, low ? low->data() + b * count : nullptr,
                                loss ? loss->data() + b * count : nullptr);
}

using Result = std::optional<Out<double, 2>>;

double* part_of(const Result& result, size_t b, size_t regions, size_t count) {
    if (!result) return nullptr;
    check(result->shape(0) == regions && result->shape(1) == count, "out is not of the rows' size");
    return result->data() + b * count;
}

// `which`: for one region's rows (1, R, k), the line in every vector (B, m) that each row takes.
void relax(Out<double, 3> rows, const Places& at, const Places& which, const Vectors& slope, const Vectors& slope_gap,
           const Vectors& offset, const Vectors& offset_gap, const Vectors& charge, const Result& low,
           const Result& gap, const Result& cost) {
    const size_t regions = rows.shape(0), count = rows.shape(1), k = rows.shape(2);
    const size_t m = at ? at->shape(0) : k;
    check(slope && slope_gap && bool(offset) == bool(offset_gap), "lines need both slopes, and both offsets or none");
    check(bool(offset) == bool(low) && bool(offset) == bool(gap) && bool(charge) == bool(cost),
          "a result for each vector");
    check_places(at, k);
    check(!which || (regions == 1 && which->shape(0) == count), "lines are picked for one region's rows");
    check_places(which, slope->shape(0));
    const size_t lines_each = which ? slope->shape(0) : regions;
    std::vector<workbench::Lines> lines;
    std::vector<workbench::Sums> sums;
    for (size_t b = 0; b < regions; ++b) {
        const double* from[5];
        const Vectors* all[5] = {&slope, &slope_gap, &offset, &offset_gap, &charge};
        for (int i = 0; i < 5; ++i) {
            from[i] = vector_of(*all[i], b, lines_each, m);
            check(!which || !*all[i] || (*all[i])->shape(0) == lines_each, "the vectors have different lines");
        }
        lines.push_back({from[0], from[1], from[2], from[3], from[4], which ? which->data() : nullptr});
        sums.push_back({part_of(low, b, regions, count), part_of(gap, b, regions, count),
                        part_of(cost, b, regions, count)});
    }
    nb::gil_scoped_release free;
    for (size_t b = 0; b < regions; ++b)
        workbench::loops().relax(rows.data() + b * count * k, Index(count), Index(k), at ? at->data() : nullptr,
                                 Index(m), lines[b], sums[b]);
}

void product(In<double, 2> rows, const std::vector<std::pair<Places, In<double, 2>>>& tiles, Out<double, 2> out) {
    std::vector<workbench::Tile> all;
    Index first = 0;
    for (const auto& [take, matrix] : tiles) {
        const Index k = Index(matrix.shape(0)), j = Index(matrix.shape(1));
        check(take ? take->shape(0) == matrix.shape(0) : rows.shape(1) == matrix.shape(0), "a matrix does not fit");
        check_places(take, rows.shape(1));
        all.push_back({take ? take->data() : nullptr, matrix.data(), k, j, first});
        first += j;
    }
    check(out.shape(0) == rows.shape(0) && Index(out.shape(1)) == first, "out is not of the product's size");
    nb::gil_scoped_release free;
    std::vector<double> panels(size_t(workbench::panels_of(all.data(), Index(all.size()))));
    workbench::loops().product(rows.data(), Index(rows.shape(0)), Index(rows.shape(1)), all.data(), Index(all.size()),
                               out.data(), first, panels.data());
}

}  // namespace

NB_MODULE(_kernels, m) {
    m.attr("instructions") = workbench::loops().name;
    nb::class_<workbench::Target>(m, "Target")
        .def(
            "__init__",
            [](workbench::Target* self, double largest, double lowest, double beyond, double normal, double magic,
               double step, double finest, bool plain, bool subnormals, bool fixed, bool infinities, bool saturate) {
                new (self) workbench::Target{largest, lowest, beyond, normal, magic, step, finest,
                                             plain, subnormals, fixed, infinities, saturate};
            },
            nb::kw_only(), "largest"_a, "lowest"_a, "beyond"_a, "normal"_a, "magic"_a, "step"_a, "finest"_a,
            "plain"_a, "subnormals"_a, "fixed"_a, "infinities"_a, "saturate"_a);
    m.def("round_to", &round_to, "x"_a.noconvert(), "out"_a.noconvert(), "to"_a, "mode"_a);
    m.def(
        "ordered",
        [](In<float, 3> x, In<float, 3> y, Out<float, 3> out, int order, Places sequence, Index size) {
            const auto how = workbench::Order(order);
            ordered<float>(x, y, out, sequence, how,
                           [&](auto a, auto b, auto c, Index n, Index k, Index w, const Index* s) {
                               return workbench::loops().ordered32(a, b, c, n, k, w, how, s, size);
                           });
        },
        "x"_a.noconvert(), "y"_a.noconvert(), "out"_a.noconvert(), "order"_a, "sequence"_a.none(), "size"_a);
    m.def(
        "ordered",
        [](In<double, 3> x, In<double, 3> y, Out<double, 3> out, int order, Places sequence, Index size) {
            const auto how = workbench::Order(order);
            ordered<double>(x, y, out, sequence, how,
                            [&](auto a, auto b, auto c, Index n, Index k, Index w, const Index* s) {
                                return workbench::loops().ordered64(a, b, c, n, k, w, how, s, size);
                            });
        },
        "x"_a.noconvert(), "y"_a.noconvert(), "out"_a.noconvert(), "order"_a, "sequence"_a.none(), "size"_a);
    m.def(
        "ordered_in",
        [](In<double, 3> x, In<double, 3> y, Out<double, 3> out, int order, Places sequence, Index size,
           const workbench::Target& to, int mode) {
            const auto how = workbench::Order(order);
            ordered<double>(x, y, out, sequence, how,
                            [&](auto a, auto b, auto c, Index n, Index k, Index w, const Index* s) {
                                return workbench::loops().ordered_in(a, b, c, n, k, w, how, s, size, to, mode);
                            });
        },
        "x"_a.noconvert(), "y"_a.noconvert(), "out"_a.noconvert(), "order"_a, "sequence"_a.none(), "size"_a, "to"_a,
        "mode"_a);
    m.def("dots", &dots, "rows"_a.noconvert(), "signed"_a.noconvert().none(), "absolute"_a.noconvert().none(),
          "low"_a.noconvert().none(), "loss"_a.noconvert().none());
    m.def("relax", &relax, "rows"_a.noconvert(), "at"_a.noconvert().none(), "which"_a.noconvert().none(),
          "slope"_a.noconvert(), "slope_gap"_a.noconvert(), "offset"_a.noconvert().none(),
          "offset_gap"_a.noconvert().none(), "charge"_a.noconvert().none(), "low"_a.noconvert().none(),
          "gap"_a.noconvert().none(), "cost"_a.noconvert().none());
    m.def("product", &product, "rows"_a.noconvert(), "tiles"_a.noconvert(), "out"_a.noconvert());
}
