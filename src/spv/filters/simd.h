/* Which instructions a hot function uses. Builds are for the baseline of their architecture; on
 * x86-64 variants of these functions for newer processors are chosen at run time. All give equal
 * results. */
#ifndef SPV_SPV_FILTERS_SIMD_H
#define SPV_SPV_FILTERS_SIMD_H

enum spv_simd {
    SPV_SIMD_BASELINE,
    SPV_SIMD_BMI, /* x86-64 with BMI1, BMI2 and LZCNT (Haswell and later) */
    SPV_SIMD_AVX2, /* these and AVX2 */
};

#if defined(__x86_64__) && defined(__GNUC__)
#define SPV_SIMD_X86 1
#define SPV_TARGET_BMI __attribute__((target("bmi,bmi2,lzcnt")))
#define SPV_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt")))
#else
#define SPV_SIMD_X86 0
#endif

/* A function that is compiled into each of the functions that call it, for their instructions. */
#define SPV_INLINE static inline __attribute__((always_inline))

/* Returns the best that this processor has. */
enum spv_simd spv_simd_best(void);

#endif
