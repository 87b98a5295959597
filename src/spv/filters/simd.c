/* Asks the processor (cpuid) which instructions it has. */
#include "spv/filters/simd.h"

#if SPV_SIMD_X86
#include <cpuid.h>
#include <stdbool.h>

#define CPUID_EXTENDED 0x80000001u
#define CPUID_LZCNT (1u << 5) /* in ecx; without it the instruction is another one, bsr */

/* By cpuid itself: clang 14 does not know this name for __builtin_cpu_supports. */
static bool has_lzcnt(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(CPUID_EXTENDED, &eax, &ebx, &ecx, &edx) != 0 && (ecx & CPUID_LZCNT) != 0;
}

enum spv_simd spv_simd_best(void)
{
    if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") || !has_lzcnt())
        return SPV_SIMD_BASELINE;
    return __builtin_cpu_supports("avx2") ? SPV_SIMD_AVX2 : SPV_SIMD_BMI;
}
#else
enum spv_simd spv_simd_best(void)
{
    return SPV_SIMD_BASELINE;
}
#endif
