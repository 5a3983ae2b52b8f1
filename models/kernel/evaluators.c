/* evaluators.c: which evaluators this CPU can run.
 *
 * Asked of the CPU itself: __builtin_cpu_supports needs a runtime library that not every compiler links (zig's answers
 * "no" to everything). The operating system must save the wide registers too, which XGETBV tells.
 */
#include "vectors.h"

#ifdef HAS_X86_VECTORS
#include <cpuid.h>

#define YMM_STATE 0x06u /* saved by the system: XMM, YMM */
#define ZMM_STATE 0xe6u /* and mask registers, ZMM */

static int has(uint32_t word, const uint8_t *bits, int count) {
  for (int i = 0; i < count; i++)
    if (!(word >> bits[i] & 1)) return 0;
  return 1;
}

static enum Cpu this_cpu(void) {
  static const uint8_t LEAF_1_ECX[] = {23, 27, 28};                       /* POPCNT, OSXSAVE, AVX */
  static const uint8_t AVX2_EBX[] = {3, 5, 8};                            /* BMI1, AVX2, BMI2 */
  static const uint8_t AVX512_EBX[] = {16, 17, 30, 31}, VBMI_ECX[] = {1}; /* F, DQ, BW, VL */
  uint32_t eax, ebx, ecx, edx, low, high;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !has(ecx, LEAF_1_ECX, 3)) return ANY_CPU;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !has(ebx, AVX2_EBX, 3)) return ANY_CPU;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & YMM_STATE) != YMM_STATE) return ANY_CPU;
  const int is_wide = (low & ZMM_STATE) == ZMM_STATE && has(ebx, AVX512_EBX, 4) && has(ecx, VBMI_ECX, 1);
  return is_wide ? CPU_WITH_AVX512 : CPU_WITH_AVX2;
}
static const Evaluator *const EVALUATORS[] = {&AVX512_EVALUATOR, &AVX2_EVALUATOR, &PORTABLE, NULL};
#else
static enum Cpu this_cpu(void) {
  return ANY_CPU;
}
static const Evaluator *const EVALUATORS[] = {&PORTABLE, NULL};
#endif

const Evaluator *const *available_evaluators(void) {
  static const Evaluator *const *best; /* asking takes microseconds in a virtual machine */
  if (best) return best;
  const enum Cpu cpu = this_cpu();
  const Evaluator *const *evaluator = EVALUATORS;
  while ((*evaluator)->needs > cpu) evaluator++;
  return best = evaluator;
}
