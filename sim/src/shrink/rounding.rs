//! Round times and sizes: what is left of a failure should look as if a person had written it.

use toml::{Table, Value};

use super::table;

/// Steps of rounding of times, in microseconds, the roundest first.
const GRAINS_US: [u64; 5] = [10_000_000, 5_000_000, 1_000_000, 500_000, 100_000];

/// Makes candidates of the best so far.
pub(super) type Candidates<'a> = &'a dyn Fn(&Table) -> Vec<Table>;

/// Rounds one value after the other; `take` tries candidates and keeps the first that fails in
/// the same way.
pub(super) fn all(take: &mut dyn FnMut(Candidates<'_>)) {
    let mut index = 0;
    loop {
        let more = std::cell::Cell::new(false);
        take(&|t: &Table| {
            let mut count = 0;
            let mut value = None;
            visit(&mut t.clone(), &mut |v| {
                if count == index {
                    value = Some(v.clone());
                }
                count += 1;
            });
            more.set(index < count);
            let rounder = value.as_ref().map(rounder).unwrap_or_default();
            rounder.into_iter().map(|value| with(t, index, &value)).collect()
        });
        if !more.get() {
            return;
        }
        index += 1;
    }
}

/// The table with another value in one place.
fn with(t: &Table, index: usize, value: &Value) -> Table {
    let mut t = t.clone();
    let mut count = 0;
    visit(&mut t, &mut |v| {
        if count == index {
            *v = value.clone();
        }
        count += 1;
    });
    t
}

/// All values that may be rounded, in one order.
fn visit(t: &mut Table, see: &mut dyn FnMut(&mut Value)) {
    for (key, value) in t.iter_mut() {
        if !["title", "about", "capsule", "seeds", "expect", "send"].contains(&key.as_str()) {
            visit_value(value, see);
        }
    }
}

fn visit_value(value: &mut Value, see: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Table(table) => visit(table, see),
        Value::Array(items) => items.iter_mut().for_each(|item| visit_value(item, see)),
        value => see(value),
    }
}

/// The same value, rounder: the roundest first.
fn rounder(value: &Value) -> Vec<Value> {
    let list: Vec<Value> = if let Some(us) = table::time_us(value) {
        let round = GRAINS_US.into_iter().flat_map(|grain| {
            let nearest = (us + grain / 2) / grain * grain;
            [nearest, us.div_ceil(grain) * grain, us / grain * grain]
        });
        round
            .filter(|other| us / 2 <= *other && *other <= us * 2 && *other > 0)
            .map(table::time)
            .collect()
    } else if let Some(number) = value.as_integer().and_then(|n| u64::try_from(n).ok()) {
        numbers(number).into_iter().filter_map(|n| i64::try_from(n).ok()).map(Value::from).collect()
    } else if let Some(number) = value.as_str().and_then(|text| text.parse::<u64>().ok()) {
        numbers(number).into_iter().map(|n| Value::from(n.to_string())).collect()
    } else if let Some(share) = value.as_float() {
        [(share * 10.0).round() / 10.0].into_iter().filter(|s| *s > 0.0).map(Value::from).collect()
    } else {
        Vec::new()
    };
    // A value that is round already needs nothing: only what comes before it is rounder.
    let mut better: Vec<Value> = list.into_iter().take_while(|other| other != value).collect();
    better.dedup();
    better
}

/// One digit and zeroes, or a power of two in bytes, near a number.
fn numbers(number: u64) -> Vec<u64> {
    if number < 10 {
        return Vec::new();
    }
    let mut scale = 1;
    while number / scale >= 10 {
        scale *= 10;
    }
    let digit = number / scale;
    [(digit * scale), (digit + 1) * scale, scale * 10, number.next_power_of_two()].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_rounder_and_round_ones_stay() {
        let times = rounder(&"7s123ms".into());
        assert_eq!(times[0], Value::from("10s"));
        assert!(times.contains(&"7s".into()), "{times:?}");
        assert!(rounder(&"10s".into()).is_empty(), "{:?}", rounder(&"10s".into()));
        assert_eq!(rounder(&Value::from(417))[0], Value::from(400));
        assert!(rounder(&Value::from(400)).is_empty());
        assert_eq!(rounder(&"23456".into())[0], Value::from("20000"));
        assert!(rounder(&"yes".into()).is_empty());
    }
}
