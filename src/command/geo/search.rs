//! Looking for members near a position.

use super::super::{Args, CommandError, Ctx, Outcome, number, printable, sorted_set};
use super::cells::{self, Extent};
use super::position::Position;
use super::{member_position, other, position, reply_position, unit};
use crate::keyspace::SortedSetValue;

/// How near.
#[derive(Clone, Copy)]
enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

impl Shape {
    fn extent(self) -> Extent {
        match self {
            Shape::Circle { radius } => Extent { half_height: radius, half_width: radius, radius },
            Shape::Box { width, height } => {
                let (half_width, half_height) = (width / 2.0, height / 2.0);
                let radius = (half_width * half_width + half_height * half_height).sqrt();
                Extent { half_height, half_width, radius }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    None,
    Ascending,
    Descending,
}

/// Which of the commands; they share their options but for a few.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `GEORADIUS`, which may store, or `GEORADIUS_RO`.
    Radius {
        stores: bool,
    },
    Search,
    SearchStore,
}

struct Request<'a> {
    center: Option<Position>,
    shape: Option<Shape>,
    /// Metres in the unit of the reply.
    metres: f64,
    order: Order,
    count: Option<usize>,
    any: bool,
    with_dist: bool,
    with_hash: bool,
    with_coord: bool,
    store: Option<&'a [u8]>,
    store_dist: bool,
}

struct Found {
    member: Vec<u8>,
    score: f64,
    position: Position,
    metres: f64,
}

fn distance(text: &[u8], what: &str) -> Result<f64, CommandError> {
    number::float(text).map_err(|_| other(format!("need numeric {what}")))
}

fn radius(text: &[u8], name: &[u8]) -> Result<(Shape, f64), CommandError> {
    let radius = distance(text, "radius")?;
    if radius < 0.0 {
        return Err(other("radius cannot be negative"));
    }
    let metres = unit(name)?;
    Ok((Shape::Circle { radius: radius * metres }, metres))
}

fn rectangle(width: &[u8], height: &[u8], name: &[u8]) -> Result<(Shape, f64), CommandError> {
    let (width, height) = (distance(width, "width")?, distance(height, "height")?);
    if width < 0.0 || height < 0.0 {
        return Err(other("height or width cannot be negative"));
    }
    let metres = unit(name)?;
    Ok((Shape::Box { width: width * metres, height: height * metres }, metres))
}

fn center_of(
    set: Option<&SortedSetValue>,
    member: &[u8],
) -> Result<Option<Position>, CommandError> {
    match set {
        // Nothing will be found around it anyway.
        None => Ok(None),
        Some(_) => match member_position(set, member) {
            Some(position) => Ok(Some(position)),
            None => Err(other("could not decode requested zset member")),
        },
    }
}

impl<'a> Request<'a> {
    fn new() -> Self {
        Request {
            center: None,
            shape: None,
            metres: 1.0,
            order: Order::None,
            count: None,
            any: false,
            with_dist: false,
            with_hash: false,
            with_coord: false,
            store: None,
            store_dist: false,
        }
    }

    fn options(
        &mut self,
        options: &Args<'a>,
        form: Form,
        set: Option<&SortedSetValue>,
        name: &str,
    ) -> Outcome {
        let search = matches!(form, Form::Search | Form::SearchStore);
        // The same kind may come twice; the last one counts.
        let (mut from, mut by) = (None, None);
        let mut rest = options;
        while let [option, more @ ..] = rest {
            rest = more;
            match (option.to_ascii_lowercase().as_slice(), more) {
                (b"withdist", _) => self.with_dist = true,
                (b"withhash", _) => self.with_hash = true,
                (b"withcoord", _) => self.with_coord = true,
                (b"any", _) => self.any = true,
                (b"asc", _) => self.order = Order::Ascending,
                (b"desc", _) => self.order = Order::Descending,
                (b"count", [count, more @ ..]) => {
                    let count = number::integer(count)?;
                    if count <= 0 {
                        return Err(other("COUNT must be > 0"));
                    }
                    self.count = usize::try_from(count).ok();
                    rest = more;
                }
                (b"store", [key, more @ ..]) if form == (Form::Radius { stores: true }) => {
                    (self.store, self.store_dist) = (Some(*key), false);
                    rest = more;
                }
                (b"storedist", [key, more @ ..]) if form == (Form::Radius { stores: true }) => {
                    (self.store, self.store_dist) = (Some(*key), true);
                    rest = more;
                }
                (b"storedist", _) if form == Form::SearchStore => self.store_dist = true,
                (b"frommember", [member, more @ ..]) if search && from != Some("lonlat") => {
                    self.center = center_of(set, member)?;
                    from = Some("member");
                    rest = more;
                }
                (b"fromlonlat", [longitude, latitude, more @ ..])
                    if search && from != Some("member") =>
                {
                    self.center = Some(position(longitude, latitude)?);
                    from = Some("lonlat");
                    rest = more;
                }
                (b"byradius", [size, unit, more @ ..]) if search && by != Some("box") => {
                    let (shape, metres) = radius(size, unit)?;
                    (self.shape, self.metres) = (Some(shape), metres);
                    by = Some("radius");
                    rest = more;
                }
                (b"bybox", [width, height, unit, more @ ..]) if search && by != Some("radius") => {
                    let (shape, metres) = rectangle(width, height, unit)?;
                    (self.shape, self.metres) = (Some(shape), metres);
                    by = Some("box");
                    rest = more;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        self.check(form, from.is_some(), by.is_some(), name)
    }

    fn check(&self, form: Form, from: bool, by: bool, name: &str) -> Outcome {
        let storing = self.store.is_some() || form == Form::SearchStore;
        if storing && (self.with_dist || self.with_hash || self.with_coord) {
            let what = if form == Form::SearchStore {
                "GEOSEARCHSTORE"
            } else {
                "STORE option in GEORADIUS"
            };
            let with = "is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
            return Err(other(format!("{what} {with}")));
        }
        let search = matches!(form, Form::Search | Form::SearchStore);
        if search && !from {
            let text = "exactly one of FROMMEMBER or FROMLONLAT can be specified for";
            return Err(other(format!("{text} {name}")));
        }
        if search && !by {
            let text = "exactly one of BYRADIUS and BYBOX can be specified for";
            return Err(other(format!("{text} {name}")));
        }
        if self.any && self.count.is_none() {
            return Err(other("the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The distance of a position in metres, if it is near enough.
    fn near(&self, center: Position, at: Position) -> Option<f64> {
        match self.shape? {
            Shape::Circle { radius } => {
                let metres = center.distance(at);
                (metres <= radius).then_some(metres)
            }
            Shape::Box { width, height } => {
                let north = Position { longitude: at.longitude, latitude: center.latitude };
                let inside = at.distance(north) <= height / 2.0
                    && at.distance(Position { longitude: center.longitude, latitude: at.latitude })
                        <= width / 2.0;
                inside.then(|| center.distance(at))
            }
        }
    }

    fn find(&self, set: &SortedSetValue) -> Vec<Found> {
        let Some(center) = self.center else {
            return Vec::new();
        };
        let limit = self.count.unwrap_or(usize::MAX);
        let Some(shape) = self.shape else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (from, to) in cells::score_ranges(center, shape.extent()) {
            let first = set.partition_point(|element| element.score < from);
            for element in set.iter_from(first).take_while(|element| element.score < to) {
                if self.any && found.len() >= limit {
                    break;
                }
                let position = Position::of_score(element.score);
                if let Some(metres) = self.near(center, position) {
                    let (member, score) = (element.member.to_vec(), element.score);
                    found.push(Found { member, score, position, metres });
                }
            }
        }
        let order = match self.order {
            Order::None if self.count.is_some() && !self.any => Order::Ascending,
            order => order,
        };
        match order {
            Order::None => {}
            Order::Ascending => found.sort_by(|a, b| a.metres.total_cmp(&b.metres)),
            Order::Descending => found.sort_by(|a, b| b.metres.total_cmp(&a.metres)),
        }
        found.truncate(limit);
        found
    }

    fn reply(&self, ctx: &mut Ctx<'_>, found: Vec<Found>) {
        let details = [self.with_dist, self.with_hash, self.with_coord];
        let details = details.into_iter().filter(|with| *with).count();
        ctx.reply.array_header(found.len());
        for found in found {
            if details > 0 {
                ctx.reply.array_header(1 + details);
            }
            ctx.reply.bulk(&found.member);
            if self.with_dist {
                ctx.reply.bulk(format!("{:.4}", found.metres / self.metres));
            }
            if self.with_hash {
                ctx.reply.integer(found.score as i64);
            }
            if self.with_coord {
                reply_position(ctx, found.position);
            }
        }
    }

    fn conclude(&self, ctx: &mut Ctx<'_>, set: Option<SortedSetValue>) -> Outcome {
        let found = set.as_ref().map_or_else(Vec::new, |set| self.find(set));
        drop(set);
        let Some(key) = self.store else {
            self.reply(ctx, found);
            return Ok(());
        };
        let scored = found.into_iter().map(|found| {
            let score = if self.store_dist { found.metres / self.metres } else { found.score };
            (found.member, score)
        });
        sorted_set::store(ctx, key, scored.collect());
        Ok(())
    }
}

pub(super) fn geosearch(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let set = sorted_set::for_read(ctx, args[1])?;
    let mut request = Request::new();
    request.options(&args[2..], Form::Search, set.as_ref(), &printable(args[0]))?;
    request.conclude(ctx, set)
}

pub(super) fn geosearchstore(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    let set = sorted_set::for_read(ctx, args[2])?;
    let mut request = Request::new();
    request.options(&args[3..], Form::SearchStore, set.as_ref(), &printable(args[0]))?;
    request.store = Some(args[1]);
    request.conclude(ctx, set)
}

/// `stores`: whether the options that store are there.
fn by_position(ctx: &mut Ctx<'_>, args: &Args<'_>, stores: bool) -> Outcome {
    let set = sorted_set::for_read(ctx, args[1])?;
    let mut request = Request::new();
    request.center = Some(position(args[2], args[3])?);
    let (shape, metres) = radius(args[4], args[5])?;
    (request.shape, request.metres) = (Some(shape), metres);
    request.options(&args[6..], Form::Radius { stores }, set.as_ref(), &printable(args[0]))?;
    request.conclude(ctx, set)
}

fn by_member(ctx: &mut Ctx<'_>, args: &Args<'_>, stores: bool) -> Outcome {
    let set = sorted_set::for_read(ctx, args[1])?;
    let mut request = Request::new();
    request.center = center_of(set.as_ref(), args[2])?;
    // As in Redis: without a key there is no distance to be read.
    if set.is_some() {
        let (shape, metres) = radius(args[3], args[4])?;
        (request.shape, request.metres) = (Some(shape), metres);
    }
    request.options(&args[5..], Form::Radius { stores }, set.as_ref(), &printable(args[0]))?;
    request.conclude(ctx, set)
}

pub(super) fn georadius(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    by_position(ctx, args, true)
}

pub(super) fn georadius_ro(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    by_position(ctx, args, false)
}

pub(super) fn georadiusbymember(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    by_member(ctx, args, true)
}

pub(super) fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Outcome {
    by_member(ctx, args, false)
}
