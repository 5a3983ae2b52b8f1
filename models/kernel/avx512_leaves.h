/* avx512_leaves.h: what avx512_block.c and avx512_bits.c do alike: ask sets of categories, add leaves. */
#ifndef MILLRACE_AVX512_LEAVES_H
#define MILLRACE_AVX512_LEAVES_H

#include "avx512.h"

/* Place in the sums of row `r` of a block: interleaving bytes leaves the rows in this order. */
static inline size_t place_of(size_t r) {
  return (r % 16) / 2 * 8 + r / 16 * 2 + r % 2;
}

/* The bytes of the leaves of 64 rows, one plane. */
WITH_AVX512 INLINE __m512i plane_of(const uint8_t *plane, uint32_t stride, __m512i number) {
  if (stride == 16) return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)plane)), number);
  if (stride == 64) return _mm512_permutexvar_epi8(number, _mm512_load_si512(plane));
  const __m512i low = _mm512_permutex2var_epi8(_mm512_load_si512(plane), number, _mm512_load_si512(plane + 64));
  if (stride == 128) return low;
  const __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(plane + 128), number, _mm512_load_si512(plane + 192));
  return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(number), high);
}

WITH_AVX512 INLINE void add(double *sums, int place, __m512i leaves) {
  double *at = sums + 8 * (size_t)place;
  _mm512_store_pd(at, _mm512_add_pd(_mm512_load_pd(at), _mm512_castsi512_pd(leaves)));
}

WITH_AVX512 INLINE void add_leaves_of(const uint8_t *planes, uint32_t stride, __m512i number, double *sums) {
  __m512i pairs[2][4]; /* of bytes 2j and 2j + 1; rows 0-7 and 8-15 of each group of 16 */
  for (uint32_t j = 0; j < 4; j++) {
    const __m512i even = plane_of(planes + 2 * j * stride, stride, number);
    const __m512i odd = plane_of(planes + (2 * j + 1) * stride, stride, number);
    pairs[0][j] = _mm512_unpacklo_epi8(even, odd);
    pairs[1][j] = _mm512_unpackhi_epi8(even, odd);
  }
  for (int half = 0; half < 2; half++) {
    const __m512i *p = pairs[half];
    const __m512i low[2] = {_mm512_unpacklo_epi16(p[0], p[1]), _mm512_unpacklo_epi16(p[2], p[3])};
    const __m512i high[2] = {_mm512_unpackhi_epi16(p[0], p[1]), _mm512_unpackhi_epi16(p[2], p[3])};
    add(sums, 4 * half, _mm512_unpacklo_epi32(low[0], low[1]));
    add(sums, 4 * half + 1, _mm512_unpackhi_epi32(low[0], low[1]));
    add(sums, 4 * half + 2, _mm512_unpacklo_epi32(high[0], high[1]));
    add(sums, 4 * half + 3, _mm512_unpackhi_epi32(high[0], high[1]));
  }
}

/* The leaves with these numbers, of 64 rows; `planes` are of a tree with numbers up to `leaf_count`. */
WITH_AVX512 INLINE void add_leaves(const uint8_t *planes, uint32_t leaf_count, __m512i number, double *sums) {
  const uint32_t stride = plane_bytes(leaf_count);
  if (stride == 16) add_leaves_of(planes, 16, number, sums);
  else if (stride == 64) add_leaves_of(planes, 64, number, sums);
  else if (stride == 128) add_leaves_of(planes, 128, number, sums);
  else add_leaves_of(planes, 256, number, sums);
}

/* Which of 64 rows a set sends to the right. Up to 512 classes: their bits are one register, the class of a row picks a
 * byte and a bit of it. */
WITH_AVX512 INLINE __mmask64 set_mask(const CategorySet *set, uint32_t class_count, const uint16_t *classes) {
  if (class_count > 512) {
    uint64_t rows = 0;
    for (uint32_t r = 0; r < BLOCK_ROWS; r++) rows |= (uint64_t)set_has(set, classes[r]) << r;
    return rows;
  }
  const __m512i low = _mm512_load_si512(classes), high = _mm512_load_si512(classes + 32);
  const __m256i low_byte = _mm512_cvtepi16_epi8(_mm512_srli_epi16(low, 3));
  const __m256i high_byte = _mm512_cvtepi16_epi8(_mm512_srli_epi16(high, 3));
  const __m512i byte = _mm512_inserti64x4(_mm512_castsi256_si512(low_byte), high_byte, 1);
  const __m512i number =
      _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(low)), _mm512_cvtepi16_epi8(high), 1);
  const __m512i bit_of = _mm512_set1_epi64((int64_t)0x8040201008040201);
  const __m512i bit = _mm512_shuffle_epi8(bit_of, _mm512_and_si512(number, _mm512_set1_epi8(7)));
  const __m512i bytes = _mm512_permutexvar_epi8(byte, _mm512_loadu_si512(set->bits)); /* memory.c pads for it */
  return _mm512_test_epi8_mask(bytes, bit);
}

#endif
