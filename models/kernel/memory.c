/* memory.c: the forest's memory: 64-byte aligned, zeroed chunks in a list, freed together. */
#include <stdlib.h>
#include <string.h>

#include "forest.h"

const char OUT_OF_MEMORY[] = "out of memory";

struct Chunk {
  struct Chunk *next;
  void *data;
};

void *forest_memory(Forest *forest, size_t count, size_t size) {
  if (size && count > (SIZE_MAX / 2) / size) return NULL;
  const size_t bytes = (count * size + 127) & ~(size_t)63; /* never 0, and vectors may read past the last element */
  struct Chunk *chunk = malloc(sizeof *chunk);
  if (!chunk) return NULL;
  chunk->data = aligned_alloc(64, bytes);
  if (!chunk->data) {
    free(chunk);
    return NULL;
  }
  chunk->next = forest->memory;
  forest->memory = chunk;
  return memset(chunk->data, 0, bytes);
}

void forest_free(Forest *forest) {
  for (struct Chunk *chunk = forest->memory, *next; chunk; chunk = next) {
    next = chunk->next;
    free(chunk->data);
    free(chunk);
  }
  forest->memory = NULL;
}
