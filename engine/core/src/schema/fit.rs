//! Whether one type may stand for another. It must not know values.

use super::{Fields, Type, Unit};

pub(super) fn fits(given: &Type, wanted: &Type) -> bool {
    match (given, wanted) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::Nullable(given), Type::Nullable(wanted)) => fits(given, wanted),
        (Type::Null, Type::Nullable(_) | Type::Null) => true,
        (given, Type::Nullable(wanted)) => fits(given, wanted),
        (Type::Boolean, Type::Boolean) => true,
        (Type::Integer { .. }, Type::Number) | (Type::Number, Type::Number) => true,
        (Type::Integer { .. }, Type::Unit(unit)) => unit.counts(),
        (Type::Integer { least, most }, Type::Integer { least: floor, most: ceiling }) => {
            // A number without bounds fits: its value is looked at when it is known. Two ranges must overlap.
            !(matches!((most, floor), (Some(most), Some(floor)) if most < floor)
                || matches!((least, ceiling), (Some(least), Some(ceiling)) if least > ceiling))
        }
        (Type::Text | Type::Unit(_) | Type::Enum(_), Type::Text) => true,
        (Type::Text, Type::Unit(_)) => true,
        (Type::Unit(Unit::Device), Type::Unit(Unit::Path))
        | (Type::Unit(Unit::Path), Type::Unit(Unit::Device)) => true,
        (Type::Unit(given), Type::Unit(wanted)) => given == wanted,
        (Type::Enum(words), Type::Unit(unit)) => words.iter().all(|word| unit.holds(word)),
        (Type::Enum(given), Type::Enum(wanted)) => given.iter().all(|word| wanted.contains(word)),
        (Type::Array(given), Type::Array(wanted)) => fits(given, wanted),
        (Type::Object(given), Type::Object(wanted)) => object_fits(given, wanted),
        _ => false,
    }
}

fn object_fits(given: &Fields, wanted: &Fields) -> bool {
    let wanted_are_there = wanted.named.iter().all(|(name, want)| match given.named.get(name) {
        Some(have) => (have.required || !want.required) && fits(&have.of, &want.of),
        None => !want.required && given.rest.as_ref().is_none_or(|rest| fits(rest, &want.of)),
    });
    let others_are_welcome = given.named.iter().all(|(name, have)| {
        wanted.named.contains_key(name) || wanted.rest.as_ref().is_some_and(|rest| fits(&have.of, rest))
    });
    let rest_fits = match (&given.rest, &wanted.rest) {
        (Some(given), Some(wanted)) => fits(given, wanted),
        (Some(_), None) => false,
        (None, _) => true,
    };
    wanted_are_there && others_are_welcome && rest_fits
}
