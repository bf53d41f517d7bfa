//! The cells around a position that a search has to look at (Redis: geohash_helper.c).
//!
//! The Earth is cut in cells whose size suits the search: the one that holds the position, and
//! its eight neighbours. Members of a cell stand together in the sorted set, since the number of
//! a cell is the beginning of theirs. The order of the cells is the order of what is found.

use super::position::{EARTH_RADIUS_METRES, LATITUDE_MAX, LONGITUDE_MAX, Position, gather, spread};

/// Half of the circumference of the Earth at the equator in the Mercator projection, metres.
const MERCATOR_MAX_METRES: f64 = 20_037_726.37;
const STEPS_MAX: u32 = 26;

/// What is looked for: a circle, or a box, in metres.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// To the north and to the south.
    pub(super) half_height: f64,
    /// To the east and to the west.
    pub(super) half_width: f64,
    /// To the farthest place.
    pub(super) radius: f64,
}

/// South, north, west and east end, degrees.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    south: f64,
    north: f64,
    west: f64,
    east: f64,
}

/// A cell of a grid of 2^`steps` by 2^`steps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    bits: u64,
    steps: u32,
}

impl Cell {
    fn around(at: Position, steps: u32) -> Self {
        let size = f64::from(1_u32 << steps);
        let step = |degrees: f64, max: f64| (((degrees + max) / (max * 2.0)) * size) as u32;
        let bits = spread(step(at.latitude, LATITUDE_MAX))
            | spread(step(at.longitude, LONGITUDE_MAX)) << 1;
        Self { bits, steps }
    }

    /// The cell so many steps to the east and to the north; the grid has no edges.
    fn beside(self, east: i64, north: i64) -> Self {
        let mask = (1_i64 << self.steps) - 1;
        // Within 2^26 by the mask.
        let moved = |place: u32, by: i64| ((i64::from(place) + by) & mask) as u32;
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        let bits = spread(moved(latitude, north)) | spread(moved(longitude, east)) << 1;
        Self { bits, ..self }
    }

    fn bounds(self) -> Bounds {
        let size = f64::from(1_u32 << self.steps);
        let edge = |place: u32, max: f64| -max + f64::from(place) / size * (max * 2.0);
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        Bounds {
            south: edge(latitude, LATITUDE_MAX),
            north: edge(latitude + 1, LATITUDE_MAX),
            west: edge(longitude, LONGITUDE_MAX),
            east: edge(longitude + 1, LONGITUDE_MAX),
        }
    }

    /// Scores of the members inside: from the first, to before the second.
    fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }
}

/// How fine the grid is: cells as large as the search, or larger; larger still near the poles.
fn steps_for(radius: f64, latitude: f64) -> u32 {
    if radius == 0.0 {
        return STEPS_MAX;
    }
    let (mut metres, mut steps) = (radius, 1_i32);
    while metres < MERCATOR_MAX_METRES {
        metres *= 2.0;
        steps += 1;
    }
    steps -= 2 + i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    steps.clamp(1, 26).unsigned_abs()
}

fn bounds_of(center: Position, extent: Extent) -> Bounds {
    let radians = std::f64::consts::PI / 180.0;
    let degrees = |metres: f64| metres / EARTH_RADIUS_METRES / radians;
    let height = degrees(extent.half_height);
    // A degree of longitude is shortest where the search comes nearest to a pole.
    let toward_pole = if center.latitude < 0.0 { -height } else { height };
    let width = degrees(extent.half_width) / ((center.latitude + toward_pole) * radians).cos();
    Bounds {
        south: center.latitude - height,
        north: center.latitude + height,
        west: center.longitude - width,
        east: center.longitude + width,
    }
}

/// Directions of the neighbours, in the order in which they are looked at: east, north.
const NEIGHBOURS: [(i64, i64); 8] =
    [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// Ranges of scores in which everything lies that is near enough; the ends are not part of them.
pub(super) fn score_ranges(center: Position, extent: Extent) -> Vec<(f64, f64)> {
    let wanted = bounds_of(center, extent);
    let mut steps = steps_for(extent.radius, center.latitude);
    let mut cell = Cell::around(center, steps);
    let too_small = cell.beside(0, 1).bounds().north < wanted.north
        || cell.beside(0, -1).bounds().south > wanted.south
        || cell.beside(1, 0).bounds().east < wanted.east
        || cell.beside(-1, 0).bounds().west > wanted.west;
    if steps > 1 && too_small {
        steps -= 1;
        cell = Cell::around(center, steps);
    }
    let inside = cell.bounds();
    let needed = |(east, north): (i64, i64)| {
        let beyond = (north < 0 && inside.south < wanted.south)
            || (north > 0 && inside.north > wanted.north)
            || (east < 0 && inside.west < wanted.west)
            || (east > 0 && inside.east > wanted.east);
        steps < 2 || !beyond
    };
    let mut cells = vec![cell];
    let mut last = None;
    for (east, north) in NEIGHBOURS.into_iter().filter(|direction| needed(*direction)) {
        let neighbour = cell.beside(east, north);
        // In a coarse grid neighbours may be the same cell.
        if last != Some(neighbour) {
            cells.push(neighbour);
            last = Some(neighbour);
        }
    }
    cells.into_iter().map(Cell::scores).collect()
}
