#include <hwy/targets.h>

#include <cstdint>

// What Highway's run-time dispatch asks of Highway's library, which measures the clock for 3 ms whenever it
// is loaded: a third of what a small audit takes. Its headers do the rest.
namespace hwy {

int64_t SupportedTargets() {
  int64_t targets = HWY_STATIC_TARGET;
#if HWY_ARCH_X86
  __builtin_cpu_init();
  auto add = [&](int64_t target, bool supported) { targets |= supported ? target : 0; };
  add(HWY_SSSE3, __builtin_cpu_supports("ssse3"));
  add(HWY_SSE4,
      __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"));
  // F16C and LZCNT, which AVX2 code may use too, came with or before these.
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  add(HWY_AVX2, avx2);
  const bool avx3 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512cd");
  add(HWY_AVX3, avx3);
  add(HWY_AVX3_DL, avx3 && __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vbmi") &&
                       __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bitalg") &&
                       __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("vpclmulqdq") &&
                       __builtin_cpu_supports("vaes") && __builtin_cpu_supports("gfni"));
#endif
  return targets;
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy
