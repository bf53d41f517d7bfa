//! Positions on the Earth as 52-bit numbers, and distances between them.
//!
//! Latitude and longitude are cut in 2^26 steps each, and their bits interleaved (a Morton code):
//! the bits of the latitude stand at even places. The latitude goes as far as the Mercator
//! projection of web maps does.

const STEPS: f64 = (1_u64 << 26) as f64;
/// Highest latitude, degrees.
pub(super) const LATITUDE_MAX: f64 = 85.051_128_78;
/// Highest longitude, degrees.
pub(super) const LONGITUDE_MAX: f64 = 180.0;
/// Radius of the Earth for distances, metres.
pub(super) const EARTH_RADIUS_METRES: f64 = 6_372_797.560_856;

/// Degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Position {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

/// The bits of a number of steps at even places.
pub(super) fn spread(value: u32) -> u64 {
    (0..32).fold(0, |bits, place| bits | u64::from(value >> place & 1) << (place * 2))
}

/// The opposite of [`spread`]; odd places do not matter.
pub(super) fn gather(bits: u64) -> u32 {
    (0..32).fold(0, |value, place| value | ((bits >> (place * 2) & 1) as u32) << place)
}

impl Position {
    /// The number that stands for the cell of this position.
    pub(super) fn encode(self) -> u64 {
        self.encode_within(LATITUDE_MAX)
    }

    fn encode_within(self, latitude_max: f64) -> u64 {
        let step = |degrees: f64, max: f64| (((degrees + max) / (max * 2.0)) * STEPS) as u32;
        spread(step(self.latitude, latitude_max)) | spread(step(self.longitude, LONGITUDE_MAX)) << 1
    }

    /// The position that a score stands for.
    pub(super) fn of_score(score: f64) -> Self {
        Self::decode(number_of(score))
    }

    /// The middle of a cell. Scores that are no positions have steps up to the largest number of
    /// 32 bits, after which Redis comes back to 0.
    pub(super) fn decode(bits: u64) -> Self {
        let middle = |step: u32, max: f64| {
            let low = -max + f64::from(step) / STEPS * (max * 2.0);
            let high = -max + f64::from(step.wrapping_add(1)) / STEPS * (max * 2.0);
            ((low + high) / 2.0).clamp(-max, max)
        };
        Position {
            longitude: middle(gather(bits >> 1), LONGITUDE_MAX),
            latitude: middle(gather(bits), LATITUDE_MAX),
        }
    }

    /// The eleven characters of the standard geohash, whose latitudes reach 90 degrees. The last
    /// one has no bits left and is always 0.
    pub(super) fn geohash(self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = self.encode_within(90.0);
        let digit = |place: u32| if place == 10 { 0 } else { bits >> (47 - place * 5) & 31 };
        (0..11).map(|place| char::from(ALPHABET[digit(place) as usize])).collect()
    }

    /// Great-circle distance in metres (haversine).
    pub(super) fn distance(self, other: Position) -> f64 {
        let radians = |degrees: f64| degrees * (std::f64::consts::PI / 180.0);
        let (latitude, other_latitude) = (radians(self.latitude), radians(other.latitude));
        let v = ((radians(other.longitude) - radians(self.longitude)) / 2.0).sin();
        if v == 0.0 {
            return EARTH_RADIUS_METRES * (other_latitude - latitude).abs();
        }
        let u = ((other_latitude - latitude) / 2.0).sin();
        let a = u * u + latitude.cos() * other_latitude.cos() * v * v;
        2.0 * EARTH_RADIUS_METRES * a.sqrt().asin()
    }
}

/// The number in a score that any client may have set. Of one that is no such number this is what
/// Redis's conversion comes to on x86-64: modulo 2^64 if there is an integer, else the same for all.
fn number_of(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    let integer = |value: f64| {
        let in_range = (-HALF..HALF).contains(&value);
        if in_range { value as i64 } else { i64::MIN }
    };
    if score >= HALF { integer(score - HALF) as u64 ^ 1 << 63 } else { integer(score) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documentation of GEOADD and its kin.
    #[test]
    fn palermo_is_where_redis_has_it() {
        let palermo = Position { longitude: 13.361389, latitude: 38.115556 };
        assert_eq!(palermo.encode(), 3_479_099_956_230_698);
        let stored = Position::decode(palermo.encode());
        assert_eq!(format!("{:.17}", stored.longitude), "13.36138933897018433");
        assert_eq!(format!("{:.17}", stored.latitude), "38.11555639549629859");
        assert_eq!(stored.geohash(), "sqc8b49rny0");
        let catania = Position { longitude: 15.087269, latitude: 37.502669 };
        let distance = stored.distance(Position::decode(catania.encode()));
        assert_eq!(format!("{distance:.4}"), "166274.1516");
    }

    /// What Redis 7.0.15 answers to GEOPOS after `ZADD g <score> m`.
    #[test]
    fn scores_that_are_no_positions_have_one_all_the_same() {
        let corner = (-179.999_997_317_790_98, -85.051_127_512_639_43);
        for (score, longitude, latitude) in [
            (18_446_744_073_709_549_568.0, 180.0, LATITUDE_MAX),
            (-1.0, 180.0, LATITUDE_MAX),
            (-7.0, 180.0, LATITUDE_MAX),
            (f64::NEG_INFINITY, 180.0, corner.1),
            (f64::INFINITY, corner.0, corner.1),
            (1e30, corner.0, corner.1),
        ] {
            assert_eq!(Position::of_score(score), Position { longitude, latitude }, "{score}");
        }
    }
}
