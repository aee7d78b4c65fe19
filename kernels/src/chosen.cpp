// Which of the compiled sets of loops runs here.
#include <cstdlib>
#include <cstring>

#include "loops.h"

namespace workbench {

namespace base {
extern const Loops all;
}
#if defined(WB_X86)
namespace avx2 {
extern const Loops all;
}
namespace avx512 {
extern const Loops all;
}
#endif

namespace {

// WORKBENCH_KERNELS=base or avx2 asks for less than there is, so that a test can try what others have.
const Loops& choose() {
#if defined(WB_X86)
    const char* asked = std::getenv("WORKBENCH_KERNELS");
    if (asked && std::strcmp(asked, "base") == 0) return base::all;
    const bool narrow = asked && std::strcmp(asked, "avx2") == 0;
    __builtin_cpu_init();
    if (!narrow && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw"))
        return avx512::all;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::all;
#endif
    return base::all;
}

}  // namespace

const Loops& loops() {
    static const Loops& chosen = choose();
    return chosen;
}

Index panels_of(const Tile* tiles, Index many) {
    Index found = 0;
    for (Index t = 0; t < many; ++t) found += (tiles[t].j + 15) / 16 * 16 * tiles[t].k;
    return found;
}

}  // namespace workbench
