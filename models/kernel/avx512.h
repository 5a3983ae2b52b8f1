/* avx512.h: what avx512_quantise.c gives to avx512_rows.c and avx512_block.c, and those to each other. */
#ifndef MILLRACE_AVX512_H
#define MILLRACE_AVX512_H

#include "shared.h"
#include "vectors.h"

#ifdef HAS_X86_VECTORS
void avx512_quantise_row(const Forest *forest, const void *row, int is_double, uint8_t *bytes, uint16_t *classes);
/* Lanes beyond `count` hold the bytes of zero, their classes stay what they were. */
void avx512_quantise_block(const Forest *forest, const void *rows, int is_double, uint32_t count, uint8_t *bytes,
                           uint16_t *classes);
void avx512_score_rows(const Job *job);
/* The bits of all conditions, of up to BLOCKS_TOGETHER blocks. */
void avx512_ask(const Job *job);
/* Up to BLOCKS_TOGETHER blocks of a forest with `bits`, added to the block_scores. */
void avx512_score_bits(const Job *job);
#endif

#endif
