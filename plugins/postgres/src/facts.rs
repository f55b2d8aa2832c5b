//! What is known of a cluster without asking the server: pg_controldata on its data directory. It must not know sessions.

use cutwater_sdk::{Command, Context, Host, Maybe, Path};

/// The cluster's identity by its control file. Unknown where no directory is named or the program does not tell; planning
/// goes on then, and the value is known after the step.
pub fn identity(ctx: &Context<'_>, data: Option<&Path>) -> Maybe<String> {
    let Some(data) = data else { return Maybe::later() };
    let told = ctx.host().run(&Command::reading("pg_controldata").args(["-D", data.as_str()]));
    match told {
        Ok(told) if told.success() => parse(&told.text()).map_or_else(Maybe::later, Maybe::Known),
        _ => Maybe::later(),
    }
}

fn parse(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix("Database system identifier:"))?.trim();
    value
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| value.to_owned())
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_the_number_and_nothing_else() {
        let text = "pg_control version number:            1300\nDatabase system identifier:           7412345678901234567\n";
        assert_eq!(parse(text).unwrap(), "7412345678901234567");
        assert_eq!(parse("Database system identifier:   what\n"), None);
        assert_eq!(parse(""), None);
    }
}
