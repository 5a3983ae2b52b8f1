/* hashes.c: BLAKE2b of 64 bits (RFC 7693), SHA-1 (RFC 3174) and Kafka's MurmurHash2, of texts that are short. */
#include <string.h>

#include "wire.h"

static uint64_t little_64(const uint8_t *from) {
  uint64_t found = 0;
  for (int i = 7; i >= 0; i--) found = found << 8 | from[i];
  return found;
}

static uint32_t little_32(const uint8_t *from) {
  return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint32_t big_32(const uint8_t *from) {
  return (uint32_t)from[3] | (uint32_t)from[2] << 8 | (uint32_t)from[1] << 16 | (uint32_t)from[0] << 24;
}

static const uint64_t BLAKE2B_IV[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu,
                                       0xa54ff53a5f1d36f1u, 0x510e527fade682d1u, 0x9b05688c2b3e6c1fu,
                                       0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
static const uint8_t SIGMA[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static uint64_t right_64(uint64_t x, int by) {
  return x >> by | x << (64 - by);
}

static void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
  v[a] += v[b] + x;
  v[d] = right_64(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = right_64(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = right_64(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = right_64(v[b] ^ v[c], 63);
}

static void blake2b_block(uint64_t h[8], const uint8_t *block, uint64_t length, int is_last) {
  uint64_t m[16], v[16];
  for (int i = 0; i < 16; i++) m[i] = little_64(block + 8 * i);
  memcpy(v, h, 64);
  memcpy(v + 8, BLAKE2B_IV, 64);
  v[12] ^= length;
  if (is_last) v[14] = ~v[14];
  for (int round = 0; round < 12; round++) {
    const uint8_t *s = SIGMA[round % 10];
    for (int i = 0; i < 4; i++) mix(v, i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
    for (int i = 0; i < 4; i++)
      mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
  }
  for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[8 + i];
}

uint64_t blake2b_64(Span text) {
  uint64_t h[8], length = 0;
  uint8_t block[128];
  memcpy(h, BLAKE2B_IV, 64);
  h[0] ^= 0x01010000u ^ 8u;
  for (; length_of(text) > 128; text.at += 128) blake2b_block(h, text.at, length += 128, 0);
  memset(block, 0, 128);
  if (text.at < text.end) memcpy(block, text.at, length_of(text));
  blake2b_block(h, block, length + length_of(text), 1);
  return h[0];
}

uint32_t murmur2(Span key) {
  const uint32_t m = 0x5BD1E995u;
  uint32_t hash = 0x9747B28Cu ^ (uint32_t)length_of(key);
  for (; length_of(key) >= 4; key.at += 4) {
    uint32_t word = little_32(key.at) * m;
    hash = hash * m ^ (word ^ word >> 24) * m;
  }
  if (length_of(key)) {
    uint32_t rest = 0;
    for (size_t i = length_of(key); i-- > 0;) rest = rest << 8 | key.at[i];
    hash = (hash ^ rest) * m;
  }
  hash = (hash ^ hash >> 13) * m;
  return hash ^ hash >> 15;
}

static uint32_t left_32(uint32_t x, int by) {
  return x << by | x >> (32 - by);
}

static void sha1_block(uint32_t state[5], const uint8_t *block) {
  uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (int i = 0; i < 16; i++) w[i] = big_32(block + 4 * i);
  for (int i = 16; i < 80; i++) w[i] = left_32(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  for (int i = 0; i < 80; i++) {
    const uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
    const uint32_t k = i < 20 ? 0x5A827999u : i < 40 ? 0x6ED9EBA1u : i < 60 ? 0x8F1BBCDCu : 0xCA62C1D6u;
    const uint32_t next = left_32(a, 5) + f + e + k + w[i];
    e = d;
    d = c;
    c = left_32(b, 30);
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

void sha1_begin(Sha1 *sha1) {
  *sha1 = (Sha1){.state = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u}};
}

void sha1_add(Sha1 *sha1, const void *data, size_t length) {
  const uint8_t *from = data;
  for (size_t i = 0; i < length;) {
    const size_t at = sha1->length % 64, room = 64 - at, part = length - i < room ? length - i : room;
    memcpy(sha1->block + at, from + i, part);
    sha1->length += part;
    i += part;
    if (sha1->length % 64 == 0) sha1_block(sha1->state, sha1->block);
  }
}

void sha1_end(Sha1 *sha1, uint8_t digest[20]) {
  const uint64_t bits = sha1->length * 8;
  uint8_t tail[8];
  for (int i = 0; i < 8; i++) tail[i] = (uint8_t)(bits >> (56 - 8 * i));
  static const uint8_t padding[64] = {0x80};
  sha1_add(sha1, padding, 1 + (119 - sha1->length % 64) % 64);
  sha1_add(sha1, tail, 8);
  for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(sha1->state[i / 4] >> (24 - 8 * (i % 4)));
}
