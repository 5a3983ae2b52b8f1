/* load.c: the numeric and categorical tables of a pack, checked and copied. load_trees.c does the trees.
 *
 * A pack may come from anywhere. Nothing below trusts an index, an offset or a length of it: whatever the evaluators
 * use without looking is proved here, and a pack that fails is refused with a sentence.
 */
#include <string.h>

#include "forest.h"
#include "offsets.h"

#define MAX_COLUMNS 32768u
#define MAX_SPLIT_CATEGORIES 4096u

/* Size of one element of each array. */
static const uint8_t ELEMENT[ARRAY_COUNT] = {4, 4, 8, 4, 2, 1, 1, 4, 4, 2, 2, 4, 4, 8, 4, 4, 4, 4, 4, 4, 8, 8};

static const char *load_columns(Forest *forest, const Array *arrays) {
  const uint32_t *feature = arrays[COLUMN_FEATURE].data;
  const uint16_t *base = arrays[COLUMN_BASE].data;
  const uint8_t *rule = arrays[COLUMN_RULE].data, *sentinel = arrays[COLUMN_SENTINEL].data;
  const size_t count = arrays[COLUMN_FEATURE].bytes / 4;
  CHECK(count < MAX_COLUMNS, "it has too many byte columns");
  CHECK(arrays[COLUMN_BASE].bytes == 2 * count && arrays[COLUMN_RULE].bytes == count &&
            arrays[COLUMN_SENTINEL].bytes == count,
        "the arrays of the byte columns differ in length");
  forest->column_count = (uint32_t)count;
  forest->columns = forest_memory(forest, count, sizeof(Column));
  CHECK(forest->columns, OUT_OF_MEMORY);
  uint32_t owner = 0;
  for (uint32_t i = 0; i < count; i++) {
    CHECK(feature[i] < forest->split_feature_count && feature[i] >= owner, "a byte column belongs to no feature");
    CHECK(rule[i] <= NAN_AND_ZERO_ARE_MISSING && (sentinel[i] == 0 || sentinel[i] == 255),
          "a byte column has an unknown rule");
    owner = feature[i];
    Feature *f = forest->features + owner;
    if (f->end_column == 0) f->first_column = i;
    f->end_column = i + 1;
    forest->columns[i] = (Column){.feature = f->feature, .base = base[i], .rule = rule[i], .sentinel = sentinel[i]};
  }
  for (uint32_t i = 0; i < forest->split_feature_count; i++)
    CHECK(forest->features[i].end_column > 0, "a feature has no byte column");
  return NULL;
}

static const char *load_features(Forest *forest, const Array *arrays) {
  const uint32_t *feature = arrays[FEATURE].data, *offset = arrays[CUT_OFFSET].data;
  const size_t count = arrays[FEATURE].bytes / 4, cut_count = arrays[CUT].bytes / 8;
  CHECK(count <= forest->feature_count, "more features are split than there are");
  CHECK(offsets_are_valid(arrays + CUT_OFFSET, count, cut_count), "the offsets of the cuts are wrong");
  forest->split_feature_count = (uint32_t)count;
  forest->features = forest_memory(forest, count, sizeof(Feature));
  double *cuts = forest_memory(forest, cut_count, sizeof *cuts);
  CHECK(forest->features && cuts, OUT_OF_MEMORY);
  memcpy(cuts, arrays[CUT].data, cut_count * sizeof *cuts);
  for (uint32_t i = 0; i < count; i++) {
    Feature *f = forest->features + i;
    *f = (Feature){.feature = feature[i], .cut_count = offset[i + 1] - offset[i], .cuts = cuts + offset[i]};
    CHECK(f->feature < forest->feature_count, "a split asks a feature that does not exist");
    CHECK(f->cut_count >= 1 && f->cut_count < 65535, "a feature has no cut, or too many");
    for (uint32_t j = 0; j < f->cut_count; j++) /* a NaN fails the first of these */
      CHECK(f->cuts[j] == f->cuts[j] && (j == 0 || f->cuts[j - 1] < f->cuts[j]), "the cuts of a feature do not rise");
  }
  return load_columns(forest, arrays);
}

static const char *load_categories(Forest *forest, const Array *arrays) {
  const uint32_t *feature = arrays[CATEGORY_FEATURE].data, *offset = arrays[CLASS_OFFSET].data;
  const uint16_t *limits = arrays[CLASS_LIMITS].data;
  const size_t count = arrays[CATEGORY_FEATURE].bytes / 4, class_count = arrays[CLASS_OF].bytes / 2;
  CHECK(count <= MAX_SPLIT_CATEGORIES && arrays[CLASS_LIMITS].bytes == 6 * count,
        "the arrays of the categorical features differ in length");
  CHECK(offsets_are_valid(arrays + CLASS_OFFSET, count, class_count), "the offsets of the category classes are wrong");
  forest->category_count = (uint32_t)count;
  forest->categories = forest_memory(forest, count, sizeof(Category));
  uint16_t *classes = forest_memory(forest, class_count, sizeof *classes);
  CHECK(forest->categories && classes, OUT_OF_MEMORY);
  memcpy(classes, arrays[CLASS_OF].data, class_count * sizeof *classes);
  for (uint32_t i = 0; i < count; i++) {
    Category *c = forest->categories + i;
    *c = (Category){.feature = feature[i],
                    .category_count = offset[i + 1] - offset[i],
                    .class_count = limits[3 * i],
                    .nan_class = limits[3 * i + 1],
                    .other_class = limits[3 * i + 2],
                    .class_of = classes + offset[i]};
    CHECK(c->feature < forest->feature_count, "a split asks a categorical feature that does not exist");
    CHECK(c->nan_class < c->class_count && c->other_class < c->class_count,
          "a category has a class that does not exist");
    for (uint32_t j = 0; j < c->category_count; j++)
      CHECK(c->class_of[j] < c->class_count, "a category has a class that does not exist");
  }
  return NULL;
}

static const char *load_sets(Forest *forest, const Array *arrays) {
  const uint32_t *category = arrays[SET_CATEGORY].data, *offset = arrays[SET_OFFSET].data;
  const size_t count = arrays[SET_CATEGORY].bytes / 4, words = arrays[SET_BITS].bytes / 8;
  CHECK(count < SET_KEY && offsets_are_valid(arrays + SET_OFFSET, count, words),
        "the offsets of the category sets are wrong");
  forest->set_count = (uint32_t)count;
  forest->sets = forest_memory(forest, count, sizeof(CategorySet));
  uint64_t *bits = forest_memory(forest, words, sizeof *bits);
  CHECK(forest->sets && bits, OUT_OF_MEMORY);
  memcpy(bits, arrays[SET_BITS].data, words * sizeof *bits);
  for (uint32_t i = 0; i < count; i++) {
    CHECK(category[i] < forest->category_count, "a category set belongs to no feature");
    CHECK(offset[i + 1] - offset[i] == (forest->categories[category[i]].class_count + 63u) / 64,
          "a category set has the wrong size");
    forest->sets[i] = (CategorySet){.category = category[i], .bits = bits + offset[i]};
  }
  return NULL;
}

const char *forest_load(Forest *forest, const Array arrays[ARRAY_COUNT]) {
  CHECK(forest->feature_count >= 1 && forest->feature_count < (1u << 20), "its number of features is out of range");
  CHECK(forest->output_count >= 1 && forest->output_count < 4096, "its number of outputs is out of range");
  CHECK(forest->link < LINK_COUNT, "its link is unknown");
  CHECK(forest->alpha > 0 && forest->alpha < 1e300 && forest->divisor >= 1 && forest->divisor < 1e300,
        "its link has a parameter out of range");
  for (int i = 0; i < ARRAY_COUNT; i++) CHECK(arrays[i].bytes % ELEMENT[i] == 0, "an array ends within an element");
  const char *wrong;
  if ((wrong = load_features(forest, arrays)) || (wrong = load_categories(forest, arrays)) ||
      (wrong = load_sets(forest, arrays)) || (wrong = load_trees(forest, arrays)))
    return wrong;
  return forest_derive(forest);
}
