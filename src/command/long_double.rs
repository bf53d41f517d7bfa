//! The numbers of `INCRBYFLOAT`: x86's 80-bit floating point, in integer arithmetic.
//!
//! Redis adds with C's `long double`. On x86-64 that has a 64-bit significand, and the replies
//! show it (`0.1 + 0.2` is `0.3`), so a `f64` would not do. Rust has no such type; what is needed
//! of it is little: read a decimal, add, round to nearest even, print 17 decimals. This gives
//! the digits Redis gives on x86-64. What differs: on other machines (AArch64 has a 113-bit
//! significand) Redis itself gives others; numbers below 10^-4931 keep more bits than x86's
//! denormals do, which no 17 decimals can show.

use std::cmp::Ordering;
use std::fmt;

/// Bits of the significand.
const BITS: i64 = 64;
/// Exponent of the significand's lowest bit beyond which there is only infinity.
const MAX_EXPONENT: i64 = 16384 - BITS;
/// The smallest number there is: 2 to this power.
const MIN_EXPONENT: i64 = -16445;
/// Longest text that is looked at (util.c `string2ld`), bytes.
const MAX_TEXT_BYTES: usize = 5 * 1024 - 1;
/// Decimals printed (`%.17Lf`).
const DECIMALS: usize = 17;
const SCALE: u128 = 10u128.pow(DECIMALS as u32);

/// A finite number: `significand * 2^exponent`, the significand's top bit set unless zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    significand: u64,
    exponent: i64,
}

/// What a text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A number.
    Finite(LongDouble),
    /// `inf` or `infinity`, with or without a sign.
    Infinite,
}

impl LongDouble {
    /// Zero.
    pub const ZERO: LongDouble = LongDouble {
        negative: false,
        significand: 0,
        exponent: 0,
    };

    /// Reads what C's `strtold` reads, all of it, but no leading space and no `nan`. Decimal
    /// and hexadecimal; `None` for anything else, and for numbers too large or too small.
    pub fn parse(text: &[u8]) -> Option<Parsed> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if digits.eq_ignore_ascii_case(b"inf") || digits.eq_ignore_ascii_case(b"infinity") {
            return Some(Parsed::Infinite);
        }
        let magnitude = match digits {
            [b'0', b'x' | b'X', rest @ ..] => Scanned::read(rest, 16, b'p')?.round_binary(),
            _ => Scanned::read(digits, 10, b'e')?.round_decimal(),
        };
        Some(Parsed::Finite(LongDouble {
            negative,
            ..magnitude?
        }))
    }

    /// The sum, rounded to nearest, ties to even; `None` if it is too large.
    pub fn add(self, other: LongDouble) -> Option<LongDouble> {
        if self.significand == 0 || other.significand == 0 {
            let zero_sum = self.significand == other.significand;
            let negative = self.negative && other.negative;
            return Some(match (zero_sum, self.significand) {
                (true, _) => LongDouble {
                    negative,
                    ..LongDouble::ZERO
                },
                (false, 0) => other,
                (false, _) => self,
            });
        }
        let by_size = (self.exponent, self.significand).cmp(&(other.exponent, other.significand));
        let (large, small) = if by_size == Ordering::Less {
            (other, self)
        } else {
            (self, other)
        };
        // One bit is left free above for the carry, 63 are below for what is shifted out.
        let wide = u128::from(large.significand) << 63;
        let distance = u32::try_from(large.exponent - small.exponent).unwrap_or(u32::MAX);
        let shifted = u128::from(small.significand) << 63;
        let aligned = shifted.checked_shr(distance).unwrap_or(0);
        let lost = aligned.checked_shl(distance).unwrap_or(0) != shifted;
        let sum = if large.negative == small.negative {
            wide + aligned
        } else {
            // Something below was lost: the true difference lies just under this one.
            wide - aligned - u128::from(lost)
        };
        if sum == 0 && !lost {
            return Some(LongDouble::ZERO);
        }
        let magnitude = round(sum, large.exponent - 63, lost)?;
        Some(LongDouble {
            negative: large.negative,
            ..magnitude
        })
    }
}

/// `wide * 2^exponent` (plus a little, if `more`) rounded to 64 bits; `None` if out of range.
fn round(wide: u128, exponent: i64, more: bool) -> Option<LongDouble> {
    let len = i64::from(128 - wide.leading_zeros());
    let drop = len - BITS;
    let (mut significand, mut exponent) = if drop <= 0 {
        (wide << -drop, exponent + drop)
    } else {
        let kept = wide >> drop;
        let half = 1u128 << (drop - 1);
        let rest = wide & ((1u128 << drop) - 1);
        let up = match rest.cmp(&half) {
            Ordering::Greater => true,
            Ordering::Equal => more || kept & 1 == 1,
            Ordering::Less => false,
        };
        (kept + u128::from(up), exponent + drop)
    };
    if significand >> BITS != 0 {
        significand >>= 1;
        exponent += 1;
    }
    let in_range = exponent <= MAX_EXPONENT && exponent + BITS > MIN_EXPONENT;
    Some(LongDouble {
        negative: false,
        significand: u64::try_from(significand).ok()?,
        exponent,
    })
    .filter(|_| in_range)
}

/// Digits as written: `digits * base^-fraction`, times 10 (or 2) to the power of `exponent`.
struct Scanned {
    digits: Big,
    fraction: i64,
    exponent: i64,
}

impl Scanned {
    fn read(text: &[u8], base: u32, exponent_mark: u8) -> Option<Scanned> {
        let mut scanned = Scanned {
            digits: Big(Vec::new()),
            fraction: 0,
            exponent: 0,
        };
        let (mut seen_point, mut seen_digit) = (false, false);
        let mut rest = text;
        while let [byte, tail @ ..] = rest {
            match char::from(*byte).to_digit(base) {
                Some(digit) => {
                    seen_digit = true;
                    scanned.digits.multiply_add(base, digit);
                    scanned.fraction += i64::from(seen_point);
                }
                None if *byte == b'.' && !seen_point => seen_point = true,
                None if byte.eq_ignore_ascii_case(&exponent_mark) => break,
                None => return None,
            }
            rest = tail;
        }
        if let [_, exponent @ ..] = rest {
            scanned.exponent = read_exponent(exponent)?;
        }
        seen_digit.then_some(scanned)
    }

    fn round_binary(self) -> Option<LongDouble> {
        self.digits
            .ratio(Big::one(), self.exponent - 4 * self.fraction)
    }

    fn round_decimal(self) -> Option<LongDouble> {
        let power = self.exponent - self.fraction;
        // Far outside the range, whatever the digits are: do not compute with millions of them.
        let limit = 2 * MAX_TEXT_BYTES as i64;
        if self.digits.is_zero() {
            return Some(LongDouble::ZERO);
        }
        if power.abs() > limit {
            return None;
        }
        let mut scale = Big::one();
        for _ in 0..power.abs() {
            scale.multiply_add(10, 0);
        }
        if power >= 0 {
            self.digits.times(&scale).ratio(Big::one(), 0)
        } else {
            self.digits.ratio(scale, 0)
        }
    }
}

/// An exponent; those beyond any use are cut to a size that is still beyond any use.
fn read_exponent(text: &[u8]) -> Option<i64> {
    const BEYOND: i64 = 1_000_000;
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(BEYOND)
    });
    Some(sign * value)
}

/// A natural number, 32 bits a limb, the lowest first, no zero limb on top.
#[derive(Clone)]
struct Big(Vec<u32>);

impl Big {
    fn one() -> Big {
        Big(vec![1])
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.0 {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    fn times(&self, other: &Big) -> Big {
        let mut product = Big(Vec::new());
        for limb in self.0.iter().rev() {
            product = product.shifted_left(32);
            let mut part = other.clone();
            part.multiply_add(*limb, 0);
            product.add(&part);
        }
        product
    }

    fn add(&mut self, other: &Big) {
        let len = self.0.len().max(other.0.len());
        self.0.resize(len, 0);
        let mut carry = 0;
        for (at, limb) in self.0.iter_mut().enumerate() {
            let sum = u64::from(*limb) + u64::from(other.0.get(at).copied().unwrap_or(0)) + carry;
            *limb = sum as u32;
            carry = sum >> 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn bit_len(&self) -> i64 {
        let top = self.0.last().map_or(0, |limb| 32 - limb.leading_zeros());
        (self.0.len() as i64 - 1).max(0) * 32 + i64::from(top)
    }

    fn shifted_left(&self, bits: i64) -> Big {
        let (limbs, bits) = ((bits / 32) as usize, (bits % 32) as u32);
        let mut shifted = vec![0; limbs];
        let mut carry = 0;
        for limb in &self.0 {
            let wide = u64::from(*limb) << bits | carry;
            shifted.push(wide as u32);
            carry = wide >> 32;
        }
        shifted.push(carry as u32);
        let mut shifted = Big(shifted);
        shifted.trim();
        shifted
    }

    fn cmp(&self, other: &Big) -> Ordering {
        let by_len = self.0.len().cmp(&other.0.len());
        by_len.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Takes `other`, which is not larger, away.
    fn subtract(&mut self, other: &Big) {
        let mut borrow = 0;
        for (at, limb) in self.0.iter_mut().enumerate() {
            let taken = i64::from(other.0.get(at).copied().unwrap_or(0)) + borrow;
            let difference = i64::from(*limb) - taken;
            borrow = i64::from(difference < 0);
            *limb = difference as u32;
        }
        self.trim();
    }

    /// Divides by a small number in place; the remainder.
    fn divide(&mut self, divisor: u32) -> u32 {
        let mut remainder = 0;
        for limb in self.0.iter_mut().rev() {
            let wide = remainder << 32 | u64::from(*limb);
            *limb = (wide / u64::from(divisor)) as u32;
            remainder = wide % u64::from(divisor);
        }
        self.trim();
        remainder as u32
    }

    /// `self / divisor * 2^exponent`, rounded.
    fn ratio(self, divisor: Big, exponent: i64) -> Option<LongDouble> {
        if self.is_zero() {
            return Some(LongDouble::ZERO);
        }
        // Shift so that the quotient has 66 or 67 bits: 64 to keep and enough to round by.
        const QUOTIENT_BITS: i64 = 66;
        let shift = QUOTIENT_BITS - (self.bit_len() - divisor.bit_len());
        let mut remainder = self.shifted_left(shift.max(0));
        let divisor = divisor.shifted_left((-shift).max(0));
        let mut quotient = 0u128;
        for bit in (0..=QUOTIENT_BITS).rev() {
            let part = divisor.shifted_left(bit);
            quotient <<= 1;
            if remainder.cmp(&part) != Ordering::Less {
                remainder.subtract(&part);
                quotient |= 1;
            }
        }
        round(quotient, exponent - shift, !remainder.is_zero())
    }
}

/// As `%.17Lf` prints it, without trailing zeros and without `-0` (util.c `ld2string`).
impl fmt::Display for LongDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.exponent >= 0 {
            let low = self.significand as u32;
            let mut big = Big(vec![low, (self.significand >> 32) as u32]);
            big.trim();
            integer_digits(big.shifted_left(self.exponent))
        } else {
            decimal_digits(self.significand, self.exponent.unsigned_abs())
        };
        if self.negative && text != "0" {
            f.write_str("-")?;
        }
        f.write_str(&text)
    }
}

fn integer_digits(mut big: Big) -> String {
    const CHUNK: u32 = 1_000_000_000;
    let mut chunks = Vec::new();
    while !big.is_zero() {
        chunks.push(big.divide(CHUNK));
    }
    let mut text = chunks.pop().unwrap_or(0).to_string();
    for chunk in chunks.iter().rev() {
        text.push_str(&format!("{chunk:09}"));
    }
    text
}

/// `significand / 2^shift` with 17 decimals at most, ties to even.
fn decimal_digits(significand: u64, shift: u64) -> String {
    // Below 2^121, so nothing overflows; shifted by more than that, nothing is left.
    let scaled = u128::from(significand) * SCALE;
    let rounded = match u32::try_from(shift) {
        Ok(shift @ 1..=126) => {
            let (kept, rest) = (scaled >> shift, scaled & ((1 << shift) - 1));
            let half = 1 << (shift - 1);
            kept + u128::from(rest > half || rest == half && kept & 1 == 1)
        }
        _ => 0,
    };
    let text = format!("{}.{:0DECIMALS$}", rounded / SCALE, rounded % SCALE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> LongDouble {
        match LongDouble::parse(text.as_bytes()) {
            Some(Parsed::Finite(number)) => number,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Sums as Redis 7.0.15 gives them on x86-64.
    #[test]
    fn sums_have_the_digits_of_redis() {
        for (a, b, sum) in [
            ("0.1", "0.2", "0.3"),
            ("6", "0.1", "6.1"),
            ("6.3", "1e3", "1006.29999999999999999"),
            ("1006.29999999999999999", "5.0e3", "6006.29999999999999982"),
            ("6006.29999999999999982", "-200", "5806.29999999999999982"),
            ("10.6", "-5", "5.6"),
            ("5.6", "-5.6", "0"),
            ("0", "1.23e-10", "0.000000000123"),
            (
                "0.000000000123",
                "0.00000000000000001",
                "0.00000000012300001",
            ),
            (
                "0.00000000012300001",
                "0.000000000000000001",
                "0.00000000012300001",
            ),
            ("1", "1e-17", "1.00000000000000001"),
            ("1.00000000000000001", "1e-18", "1.00000000000000001"),
            ("1e20", "1", "100000000000000000000"),
            ("3.14159265358979323846", "0", "3.14159265358979324"),
            ("17179869185", "1.5", "17179869186.5"),
            ("9007199254740993", "1", "9007199254740994"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551615", "0.5", "18446744073709551616"),
            (
                "123456789.123456789",
                "0.000000001",
                "123456789.12345678999554366",
            ),
            ("0.3", "-0.3", "0"),
            ("0", "-0.0", "0"),
            ("0", "-0", "0"),
            ("0", ".5", "0.5"),
            ("0", "5.", "5"),
            ("0", "0x1p4", "16"),
            ("16", "0x.8", "16.5"),
            ("0", "1e-4000", "0"),
        ] {
            let result = number(a).add(number(b)).expect("finite");
            assert_eq!(result.to_string(), sum, "{a} + {b}");
        }
    }

    #[test]
    fn large_numbers_are_printed_in_full() {
        let text = number("1e400").to_string();
        assert_eq!(text.len(), 401);
        assert!(text.starts_with("10000000000000000000281880683947586514586453433629052038"));
        let text = number("1e4000").to_string();
        assert_eq!(text.len(), 4000);
        assert!(text.starts_with("99999999999999999999654638730996237849324925835069576313"));
        assert!(text.ends_with("206648276349901340672"));
        let largest = number("1.18e4932");
        assert_eq!(largest.add(largest), None);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "abc",
            "nan",
            "-nan",
            "1e",
            "1e+",
            "e5",
            ".",
            "-",
            "+-1",
            "0x",
            "1.2.3",
            "1e5000",
            "1e-6000",
            "1e99999999999999999999",
            "1\0",
            "0xg",
            "1f",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(b"-InFinity"), Some(Parsed::Infinite));
        assert_eq!(number("0e99999999").to_string(), "0");
        assert_eq!(LongDouble::parse(&[b'1'; MAX_TEXT_BYTES + 1]), None);
    }
}
