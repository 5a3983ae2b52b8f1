/* vectors.h: whether this compiler can make code for x86's wide vectors, and how a function asks for it.
 *
 * The rest of the extension is compiled for any x86-64; only functions so marked use the instructions, and only after
 * evaluators.c found them. MILLRACE_NO_VECTORS leaves them out (a test compiles what other CPUs get).
 */
#ifndef MILLRACE_VECTORS_H
#define MILLRACE_VECTORS_H

#include "forest.h"

#if defined(__x86_64__) && !defined(MILLRACE_NO_VECTORS) && (defined(__clang__) || __GNUC__ >= 9)
#define HAS_X86_VECTORS
#include <immintrin.h>
#define WITH_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define WITH_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx2,bmi,bmi2,popcnt")))
#endif
#define INLINE static inline __attribute__((always_inline))

#endif
