/* explain.c: contributions of the features to a raw score, by TreeSHAP.
 *
 * Lundberg, Erion, Lee: Consistent Individualized Feature Attribution for Tree Ensembles (2018), algorithm 2, with the
 * covers of the training rows: what LightGBM's predict(pred_contrib=True) computes. For each tree the contributions
 * and the expected value sum to the leaf. Off the path of events: some milliseconds for a forest of 200 trees.
 */
#include "forest.h"

/* One feature on the way to a node: the share of training rows that take this way without and with knowing it. */
typedef struct {
  uint32_t feature;
  double zero_share, one_share, weight;
} Element;
typedef struct {
  const Forest *forest;
  const Tree *tree;
  const Scratch *scratch; /* holds the bytes and classes of the row */
  double *contributions;
} Explanation;

static uint32_t feature_of(const Forest *forest, const Node *node) {
  if (node->key & SET_KEY) return forest->categories[forest->sets[node->key & ~SET_KEY].category].feature;
  return forest->columns[node->key >> 8].feature;
}

static double cover_of(const Tree *tree, int32_t node) {
  return node >= 0 ? tree->node_cover[node] : tree->leaf_cover[~node];
}

/* EXTEND of the paper: the path grows by one feature; `length` elements were there before. */
static void extend(Element *path, int length, Element last) {
  last.weight = length == 0 ? 1.0 : 0.0;
  path[length] = last;
  for (int i = length - 1; i >= 0; i--) {
    path[i + 1].weight += last.one_share * path[i].weight * (i + 1) / (length + 1);
    path[i].weight = last.zero_share * path[i].weight * (length - i) / (length + 1);
  }
}

/* UNWIND: takes element `gone` out again; `last` is the index of the last element. */
static void unwind(Element *path, int last, int gone) {
  const double one = path[gone].one_share, zero = path[gone].zero_share;
  double next = path[last].weight;
  for (int i = last - 1; i >= 0; i--) {
    if (one != 0) {
      const double before = path[i].weight;
      path[i].weight = next * (last + 1) / ((i + 1) * one);
      next = before - path[i].weight * zero * (last - i) / (last + 1);
    } else {
      path[i].weight = path[i].weight * (last + 1) / (zero * (last - i));
    }
  }
  for (int i = gone; i < last; i++) {
    path[i].feature = path[i + 1].feature;
    path[i].zero_share = path[i + 1].zero_share;
    path[i].one_share = path[i + 1].one_share;
  }
}

/* Sum of the weights as if `gone` had been unwound. */
static double unwound_sum(const Element *path, int last, int gone) {
  const double one = path[gone].one_share, zero = path[gone].zero_share;
  double next = path[last].weight, total = 0.0;
  for (int i = last - 1; i >= 0; i--) {
    if (one != 0) {
      const double weight = next * (last + 1) / ((i + 1) * one);
      total += weight;
      next = path[i].weight - weight * zero * ((last - i) / (double)(last + 1));
    } else {
      total += path[i].weight / (zero * ((last - i) / (double)(last + 1)));
    }
  }
  return total;
}

/* RECURSE. `parent` holds `length` elements; the node's own path is written behind them. */
static void recurse(const Explanation *e, int32_t node, const Element *parent, int length, Element *path,
                    Element last) {
  for (int i = 0; i < length; i++) path[i] = parent[i];
  extend(path, length, last);
  if (node < 0) {
    for (int i = 1; i <= length; i++)
      e->contributions[path[i].feature] +=
          unwound_sum(path, length, i) * (path[i].one_share - path[i].zero_share) * e->tree->leaves[~node];
    return;
  }
  const Node *split = e->tree->nodes + node;
  const int right = goes_right(e->forest, split, e->scratch->row_bytes, e->scratch->row_classes, 1);
  const int32_t hot = split->child[right], cold = split->child[!right];
  Element next = {.feature = feature_of(e->forest, split), .zero_share = 1.0, .one_share = 1.0};
  for (int i = 1; i <= length; i++)
    if (path[i].feature == next.feature) { /* split before: undo that one, its shares go into this one */
      next.zero_share = path[i].zero_share;
      next.one_share = path[i].one_share;
      unwind(path, length--, i);
      break;
    }
  Element *below = path + length + 1;
  Element taken = next, not_taken = next;
  taken.zero_share *= cover_of(e->tree, hot) / cover_of(e->tree, node);
  not_taken.zero_share *= cover_of(e->tree, cold) / cover_of(e->tree, node);
  not_taken.one_share = 0.0;
  recurse(e, hot, path, length + 1, below, taken);
  recurse(e, cold, path, length + 1, below, not_taken);
}

static double expected_value(const Tree *tree) {
  double total = 0.0, cover = 0.0;
  for (uint32_t i = 0; i < tree->leaf_count; i++) {
    total += tree->leaf_cover[i] * tree->leaves[i];
    cover += tree->leaf_cover[i];
  }
  return tree->leaf_count == 1 ? tree->leaves[0] : total / cover;
}

const char *forest_explain(const Forest *forest, Scratch *scratch, const void *row, int is_double,
                           double *contributions) {
  if (forest->deepest > EXPLAIN_DEPTH) return "its trees are too deep to be explained";
  Forest memory = {0};
  const size_t levels = forest->deepest + 2; /* level d writes at most d + 1 elements */
  Element *path = forest_memory(&memory, levels * (levels + 1) / 2 + 1, sizeof *path);
  if (!path) return OUT_OF_MEMORY;
  quantise_row(forest, row, is_double, scratch->row_bytes, scratch->row_classes);
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    const Tree *tree = forest->trees + t;
    double *of_output = contributions + (size_t)tree->output * (forest->feature_count + 1);
    of_output[forest->feature_count] += expected_value(tree);
    if (tree->node_count == 0) continue;
    const Explanation e = {.forest = forest, .tree = tree, .scratch = scratch, .contributions = of_output};
    recurse(&e, 0, NULL, 0, path, (Element){.feature = forest->feature_count, .zero_share = 1.0, .one_share = 1.0});
  }
  forest_free(&memory);
  return NULL;
}
