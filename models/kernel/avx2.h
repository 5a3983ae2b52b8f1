/* avx2.h: what avx2_quantise.c gives to avx2_rows.c and avx2_block.c. */
#ifndef MILLRACE_AVX2_H
#define MILLRACE_AVX2_H

#include "shared.h"
#include "vectors.h"

#ifdef HAS_X86_VECTORS
void avx2_quantise_row(const Forest *forest, const void *row, int is_double, uint8_t *bytes, uint16_t *classes);
void avx2_quantise_block(const Forest *forest, const void *rows, int is_double, uint32_t count, uint8_t *bytes,
                         uint16_t *classes);
void avx2_score_rows(const Job *job);

/* All bits of the bytes that are not above the cut. AVX2 compares bytes as signed only. */
WITH_AVX2 INLINE __m256i not_above(__m256i bytes, __m256i cuts) {
  return _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, cuts), bytes);
}
#endif

#endif
