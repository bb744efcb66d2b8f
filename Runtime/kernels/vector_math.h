// Elementary functions on 16 lanes. The bounds beside them were measured against double precision over
// every float of the sizes in which a function bends, and one in sixteen of the others (`sin` and
// `power`: over samples); NaN gives NaN, infinities what the limit is. ulp: units in the last place of
// the exact result.
//
// They hold where sums of products are fused, on AVX2, AVX-512 and NEON alike, which give the same bits.
// Without (x86-64 alone) exp2 is within 1.81 ulp, erf 7.7, tanh 6.4 and gelu 2.5e-7 * |x|, also at
// -infinity; the others keep their bounds.
#ifndef BURIN_VECTOR_MATH_H
#define BURIN_VECTOR_MATH_H

#include "vectors.h"

/// `x` within [low, high]; NaN stays.
INLINE f32x16 vector_clamp(f32x16 x, float low, float high) {
  return vector_minimum(vector_splat(high), vector_maximum(vector_splat(low), x));
}

INLINE f32x16 vector_floor(f32x16 x) { return __builtin_elementwise_floor(x); }

INLINE f32x16 vector_absolute(f32x16 x) { return (f32x16)((i32x16)x & 0x7fffffff); }

/// 2^n for whole n in [-127, 128]; 2^-127 is taken as 0, 2^128 as infinity.
INLINE f32x16 vector_power_of_two(f32x16 n) {
  // Beside 1.5 * 2^23 the low bits of a float are an integer: here n + 127, the exponent field.
  return (f32x16)((u32x16)(n + (12582912.0f + 127.0f)) << 23);
}

/// `vector_exp2` for x <= 128.
INLINE f32x16 vector_exp2_bounded(f32x16 x) {
  x = vector_maximum(vector_splat(-127.0f), x);
  const f32x16 whole = vector_floor(x);
  const f32x16 f = x - whole;  // in [0, 1)
  f32x16 p = f * 0x1.c5417ap-13f + 0x1.46d64ap-10f;
  p = p * f + 0x1.3d0b92p-7f;
  p = p * f + 0x1.c68912p-5f;
  p = p * f + 0x1.ebfd58p-3f;
  p = p * f + 0x1.62e42cp-1f;
  p = p * f + 1.0f;
  return p * vector_power_of_two(whole);
}

/// 2^x within 1.42 ulp; results below 2^-126 are 0. 2^0 is exactly 1, 2^-infinity exactly 0.
INLINE f32x16 vector_exp2(f32x16 x) {
  return vector_exp2_bounded(vector_minimum(vector_splat(128.0f), x));
}

/// 2^x within 1.1e-4 of itself for x <= 128, for results that are rounded to 8 bits; results below
/// 2^-126 are 0. 2^0 is exactly 1, 2^-infinity exactly 0.
INLINE f32x16 vector_exp2_coarse(f32x16 x) {
  x = vector_maximum(vector_splat(-127.0f), x);
  const f32x16 whole = vector_floor(x);
  const f32x16 f = x - whole;  // in [0, 1)
  f32x16 p = f * 0x1.4095eap-4f + 0x1.cf7a68p-3f;
  p = p * f + 0x1.640ea8p-1f;
  p = p * f + 1.0f;
  return p * vector_power_of_two(whole);
}

/// e^x within 1.02 ulp (2 below 2^-125); results below 2^-125.5 are 0.
INLINE f32x16 vector_exp(f32x16 x) {
  x = vector_clamp(x, -87.4f, 89.0f);
  const f32x16 whole = vector_floor(x * 0x1.715476p+0f + 0.5f);
  f32x16 f = x - whole * 0x1.62e4p-1f;  // ln 2 in two parts, the first short enough to be exact
  f = f - whole * 0x1.7f7d1cp-20f;
  f32x16 p = f * 0x1.6a2444p-10f + 0x1.1239d4p-7f;
  p = p * f + 0x1.5558f2p-5f;
  p = p * f + 0x1.555492p-3f;
  p = p * f + 0x1.fffffcp-2f;
  p = p * (f * f) + f;
  p = p + 1.0f;
  // 2^128 has no float, though e^88.7 = 2^127.97 has: scale by half and double.
  return p * vector_power_of_two(whole - 1.0f) * 2.0f;
}

/// Natural logarithm within 1 ulp; -infinity at 0, NaN below.
INLINE f32x16 vector_log(f32x16 x) {
  // Denormals are scaled into the normal range first.
  const i32x16 tiny = x < 0x1p-126f;
  const f32x16 scaled = vector_select(tiny, x * 0x1p+23f, x);
  // The fraction m lies in [sqrt(1/2), sqrt(2)); x = m * 2^e.
  const i32x16 bits = (i32x16)scaled;
  const i32x16 e = (bits - 0x3f3504f3) >> 23;
  const f32x16 f = (f32x16)(bits - (i32x16)((u32x16)e << 23)) - 1.0f;
  const f32x16 exponent =
      __builtin_convertvector(e, f32x16) - vector_select(tiny, vector_splat(23.0f), (f32x16){0});
  f32x16 p = f * -0x1.383d96p-4f + 0x1.084e00p-3f;
  p = p * f + -0x1.0f375cp-3f;
  p = p * f + 0x1.22709cp-3f;
  p = p * f + -0x1.54274ap-3f;
  p = p * f + 0x1.99a402p-3f;
  p = p * f + -0x1.000428p-2f;
  p = p * f + 0x1.555550p-2f;
  p = p * f + -0x1.fffff8p-2f;
  const f32x16 low = exponent * 0x1.7f7d1cp-20f + p * (f * f);
  f32x16 result = (low + f) + exponent * 0x1.62e4p-1f;
  result = vector_select(x == __builtin_inff(), x, result);
  result = vector_select(x == 0.0f, vector_splat(-__builtin_inff()), result);
  return vector_select((x < 0.0f) | (x != x), vector_splat(__builtin_nanf("")), result);
}

/// Error function within 6 ulp, never beyond [-1, 1].
INLINE f32x16 vector_erf(f32x16 x) {
  x = vector_clamp(x, -3.92f, 3.92f);  // where a float's erf is 1
  const f32x16 y = x * x;
  f32x16 p = y * 0x1.132862p-19f + 0x1.2ab812p-12f;
  f32x16 q = y * 0x1.3f890ep-15f + 0x1.30bf74p-10f;
  p = p * y + 0x1.ed8f50p-9f;
  q = q * y + 0x1.ea81fap-7f;
  p = p * y + 0x1.b01dbap-5f;
  q = q * y + 0x1.d36390p-4f;
  p = p * y + 0x1.85f33ap-3f;
  q = q * y + 0x1.010ffcp-1f;
  p = p * y + 0x1.20dd74p+0f;
  q = q * y + 1.0f;
  return vector_clamp(x * p / q, -1.0f, 1.0f);
}

/// Hyperbolic tangent within 5.3 ulp, never beyond [-1, 1].
INLINE f32x16 vector_tanh(f32x16 x) {
  x = vector_clamp(x, -9.0f, 9.0f);
  const f32x16 y = x * x;
  f32x16 p = y * 0x1.cada24p-27f + 0x1.59c25ap-16f;
  f32x16 q = y * 0x1.a17e72p-21f + 0x1.58857ap-12f;
  p = p * y + 0x1.ca2c02p-9f;
  q = q * y + 0x1.a7f7b4p-6f;
  p = p * y + 0x1.120b0cp-3f;
  q = q * y + 0x1.de5ad0p-2f;
  p = p * y + 1.0f;
  q = q * y + 1.0f;
  return vector_clamp(x * p / q, -1.0f, 1.0f);
}

/// 1 / (1 + e^-x) within 3 ulp, as far as that is a normal number; 0 from -88.73 down.
INLINE f32x16 vector_sigmoid(f32x16 x) { return 1.0f / (1.0f + vector_exp(-x)); }

/// x * sigmoid(x) within 3 ulp; 0 from -88.73 down, where it is less than 3e-37, and at -infinity.
INLINE f32x16 vector_silu(f32x16 x) {
  // Held where the product is 0 anyway, so that -infinity is not divided by infinity.
  const f32x16 held = vector_maximum(vector_splat(-120.0f), x);
  return held / (1.0f + vector_exp(-held));
}

INLINE f32x16 vector_relu(f32x16 x) { return vector_maximum((f32x16){0}, x); }

/// x / 2 * (1 + erf(x / sqrt 2)) within 2.1e-7 * |x|; 0 at -infinity.
INLINE f32x16 vector_gelu(f32x16 x) {
  const f32x16 half = vector_maximum(vector_splat(-10.0f), x) * 0.5f;
  return half + half * vector_erf(x * 0x1.6a09e6p-1f);
}

/// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), as x * sigmoid(2 ...),
/// within 2e-7 * |x|.
INLINE f32x16 vector_gelu_tanh(f32x16 x) {
  const f32x16 held = vector_maximum(vector_splat(-20.0f), x);
  const f32x16 u = held * (held * held * 0x1.2444d2p-4f + 0x1.988454p+0f);
  return held / (1.0f + vector_exp(-u));
}

/// `vector_gelu` within 8e-5 * |x|, without a division: for results that are rounded to 8 bits.
INLINE f32x16 vector_gelu_coarse(f32x16 x) {
  const f32x16 held = vector_clamp(x, -3.8f, 3.8f);  // where the polynomial is 1
  const f32x16 y = held * held;
  f32x16 p = y * 0x1.48d932p-24f + -0x1.3bc8cap-18f;
  p = p * y + 0x1.0507b6p-13f;
  p = p * y + -0x1.f018f2p-10f;
  p = p * y + 0x1.339698p-6f;
  p = p * y + -0x1.0dd1d8p-3f;
  p = p * y + 0x1.985c58p-1f;
  const f32x16 half = vector_maximum(vector_splat(-10.0f), x) * 0.5f;
  return half + half * vector_clamp(held * p, -1.0f, 1.0f);
}

/// `vector_gelu_tanh` within 8e-5 * |x|, in the same way.
INLINE f32x16 vector_gelu_tanh_coarse(f32x16 x) {
  const f32x16 held = vector_clamp(x, -3.75f, 3.75f);
  const f32x16 y = held * held;
  f32x16 p = y * 0x1.6bdc42p-24f + -0x1.54fd4ep-18f;
  p = p * y + 0x1.13296ap-13f;
  p = p * y + -0x1.ff5ad4p-10f;
  p = p * y + 0x1.376446p-6f;
  p = p * y + -0x1.0e5d92p-3f;
  p = p * y + 0x1.983c50p-1f;
  const f32x16 half = vector_maximum(vector_splat(-10.0f), x) * 0.5f;
  return half + half * vector_clamp(held * p, -1.0f, 1.0f);
}

/// The nearest multiple of pi/2, as `quadrant` (modulo 4), and what is left of x, in [-pi/4, pi/4].
INLINE f32x16 vector_reduce_angle(f32x16 x, i32x16 *quadrant) {
  // In double precision: exact enough for every angle up to 2^28. Beyond that a float is no angle
  // any more and 0 is left of it; infinities and NaN become NaN.
  const f64x16 wide = __builtin_convertvector(x, f64x16);
  const f64x16 turns = wide * 0x1.45f306dc9c883p-1;
  const f64x16 shifted = turns + 0x1.8p+52;  // rounds to the nearest whole number
  const f64x16 whole = shifted - 0x1.8p+52;
  typedef int64_t i64x16 __attribute__((vector_size(128)));
  *quadrant = __builtin_convertvector((i64x16)shifted & 3, i32x16);
  const f32x16 rest = __builtin_convertvector(wide - whole * 0x1.921fb54442d18p+0, f32x16);
  return vector_select(vector_absolute(x) <= 0x1p+28f, rest, x * 0.0f);
}

INLINE f32x16 vector_sin_of_quadrant(f32x16 x, i32x16 quadrant) {
  const f32x16 y = x * x;
  f32x16 sine = y * 0x1.6cd1b2p-19f + -0x1.a00f7ep-13f;
  f32x16 cosine = y * -0x1.241e6ap-22f + 0x1.a010dep-16f;
  sine = sine * y + 0x1.111108p-7f;
  cosine = cosine * y + -0x1.6c16b8p-10f;
  sine = sine * y + -0x1.555556p-3f;
  cosine = cosine * y + 0x1.555556p-5f;
  sine = x + x * (y * sine);
  cosine = 1.0f + (y * y * cosine - 0.5f * y);
  const f32x16 value = vector_select((quadrant & 1) != 0, cosine, sine);
  return (f32x16)((i32x16)value ^ (i32x16)((u32x16)(quadrant & 2) << 30));
}

/// Sine within 1e-7 for |x| up to 2^28.
INLINE f32x16 vector_sin(f32x16 x) {
  i32x16 quadrant;
  const f32x16 rest = vector_reduce_angle(x, &quadrant);
  return vector_sin_of_quadrant(rest, quadrant);
}

/// Cosine within 1e-7 for |x| up to 2^28.
INLINE f32x16 vector_cos(f32x16 x) {
  i32x16 quadrant;
  const f32x16 rest = vector_reduce_angle(x, &quadrant);
  return vector_sin_of_quadrant(rest, (quadrant + 1) & 3);
}

/// Square root, correctly rounded.
INLINE f32x16 vector_sqrt(f32x16 x) {
  float lanes[16] __attribute__((aligned(64)));
  vector_store(lanes, x);
  for (int lane = 0; lane < 16; lane++) lanes[lane] = __builtin_sqrtf(lanes[lane]);
  return vector_load(lanes);
}

/// 1 / sqrt(x) within 2 ulp.
INLINE f32x16 vector_rsqrt(f32x16 x) { return 1.0f / vector_sqrt(x); }

/// Logarithm to base 2 of positive, finite x within 2^-46 (relative to the larger of it and 1).
INLINE f64x16 vector_log2_wide(f32x16 x) {
  const i32x16 tiny = x < 0x1p-126f;
  const i32x16 bits = (i32x16)vector_select(tiny, x * 0x1p+23f, x);
  const i32x16 e = (bits - 0x3f3504f3) >> 23;
  const f64x16 m =
      __builtin_convertvector((f32x16)(bits - (i32x16)((u32x16)e << 23)), f64x16);
  const f64x16 s = (m - 1.0) / (m + 1.0);  // log m = 2 artanh s, |s| < 0.172
  const f64x16 y = s * s;
  f64x16 p = y * (1.0 / 17) + 1.0 / 15;
  p = p * y + 1.0 / 13;
  p = p * y + 1.0 / 11;
  p = p * y + 1.0 / 9;
  p = p * y + 1.0 / 7;
  p = p * y + 1.0 / 5;
  p = p * y + 1.0 / 3;
  p = p * y + 1.0;
  return __builtin_convertvector(e - (tiny & 23), f64x16) + s * p * 0x1.71547652b82fep+1;
}

/// x^y within 2 ulp, results below 2^-126 are 0; special cases as C's `pow` has them.
INLINE f32x16 vector_power(f32x16 x, f32x16 y) {
  const float infinity = __builtin_inff();
  const f32x16 size = vector_absolute(x);
  const i32x16 plain = (size > 0.0f) & (size < infinity);
  const f64x16 logarithm = vector_log2_wide(vector_select(plain, size, vector_splat(1.0f)));
  // The exponent in whole and fraction, each exact as a float.
  const f64x16 t = __builtin_convertvector(y, f64x16) * logarithm;
  const f32x16 near = __builtin_convertvector(t, f32x16);
  const f32x16 whole = vector_floor(vector_clamp(near, -256.0f, 256.0f));
  const f32x16 f = __builtin_convertvector(t - __builtin_convertvector(whole, f64x16), f32x16);
  f32x16 result = vector_exp2(f) * vector_power_of_two(vector_clamp(whole, -127.0f, 127.0f));
  result = vector_select(whole > 127.0f, vector_splat(infinity), result);
  // 0 and infinity: one of the two again, by the sign of y.
  const i32x16 grows = (size == infinity) ^ (y < 0.0f);
  const f32x16 edge = vector_select(grows, vector_splat(infinity), (f32x16){0});
  result = vector_select((size == 0.0f) | (size == infinity), edge, result);
  // Negative x: the sign of an odd y, NaN unless y is whole.
  const i32x16 is_whole = vector_floor(y) == y;
  const i32x16 is_odd = is_whole & (vector_floor(y * 0.5f) != y * 0.5f);
  const i32x16 negative = (i32x16)x < 0;
  result = vector_select(negative & is_odd, -result, result);
  const f32x16 nan = vector_splat(__builtin_nanf(""));
  result = vector_select((x < 0.0f) & (size < infinity) & ~is_whole, nan, result);
  result = vector_select((x != x) | (y != y), nan, result);
  const i32x16 one = (y == 0.0f) | (x == 1.0f) | ((x == -1.0f) & (vector_absolute(y) == infinity));
  return vector_select(one, vector_splat(1.0f), result);
}

#endif
