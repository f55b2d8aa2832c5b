//! Where a server is and who asks: the input `address`, and the part of it that the host's grants know. It must not
//! know the protocol.

use cutwater_sdk::{JsonSchema, Refusal, Value, json};
use serde::{Deserialize, Serialize};

/// Where the server is: a unix socket, or host and port. Without either: Debian's first cluster, as `postgres`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Address {
    /// The unix socket's path.
    pub unix: Option<String>,
    /// The user of the system that connects to the unix socket.
    #[serde(rename = "as")]
    pub system_user: Option<String>,
    /// The server's name or address.
    pub host: Option<String>,
    /// Its port; 5432 if none.
    pub port: Option<u16>,
    /// TLS, with these settings.
    pub tls: Option<Tls>,
    /// The role to log in as; the user of the system, or `postgres`, if none.
    pub user: Option<String>,
    /// The database; `postgres` if none.
    pub database: Option<String>,
    /// The secret that holds the role's password.
    pub password_secret: Option<String>,
}

/// How a TLS server is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authorities; the system's if none.
    pub ca: Option<String>,
    /// The name that the certificate must carry; the host's if none.
    pub name: Option<String>,
}

const SOCKET: &str = "/run/postgresql/.s.PGSQL.5432";

impl Address {
    /// The address as `connect` takes it, and as the plan shows it beside each statement.
    ///
    /// # Errors
    /// It names both a socket and a host, or settings of the other kind.
    pub fn connect(&self) -> Result<Value, Refusal> {
        let wrong = |text: &str| Err(Refusal::new("invalid-input", format!("address: {text}")));
        match (&self.unix, &self.host) {
            (Some(_), Some(_)) => wrong("`unix` and `host` exclude each other"),
            (None, Some(_)) if self.system_user.is_some() => {
                wrong("`as` goes with `unix`; a host takes `user`")
            }
            (None, Some(host)) => {
                let mut address = json!({ "host": host, "port": self.port.unwrap_or(5432) });
                if let Some(tls) = &self.tls {
                    let parts = [("ca", &tls.ca), ("name", &tls.name)];
                    address["tls"] = parts
                        .into_iter()
                        .filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))))
                        .collect::<serde_json::Map<_, _>>()
                        .into();
                }
                Ok(address)
            }
            (_, None) if self.port.is_some() || self.tls.is_some() => {
                wrong("`port` and `tls` go with `host`")
            }
            (unix, None) => {
                let path = unix.as_deref().unwrap_or(SOCKET);
                let mut address = json!({ "unix": path });
                if let Some(user) = self.system_user() {
                    address["as"] = json!(user);
                }
                Ok(address)
            }
        }
    }

    /// The unix socket's path; none where there is a host.
    pub fn socket(&self) -> Option<&str> {
        match self.host {
            Some(_) => None,
            None => Some(self.unix.as_deref().unwrap_or(SOCKET)),
        }
    }

    /// The user of the system who connects; the engine's own if none.
    pub fn system_user(&self) -> Option<&str> {
        let nowhere = self.unix.is_none() && self.host.is_none();
        self.system_user.as_deref().or(nowhere.then_some("postgres"))
    }

    /// The role that logs in.
    pub fn role(&self) -> &str {
        self.user.as_deref().or(self.system_user.as_deref()).unwrap_or("postgres")
    }

    /// The database.
    pub fn database(&self) -> &str {
        self.database.as_deref().unwrap_or("postgres")
    }

    /// The name that a TLS server's certificate must carry.
    pub fn tls_name(&self) -> Option<&str> {
        self.tls.as_ref()?.name.as_deref().or(self.host.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(value: Value) -> Address {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_address_is_what_a_grant_says() {
        let grant = |value| address(value).connect().unwrap();
        assert_eq!(grant(json!({})), json!({ "unix": SOCKET, "as": "postgres" }));
        assert_eq!(
            grant(json!({ "unix": "/s", "as": "pg", "database": "x" })),
            json!({ "unix": "/s", "as": "pg" })
        );
        assert_eq!(
            grant(json!({ "host": "db", "tls": {}, "user": "u" })),
            json!({ "host": "db", "port": 5432, "tls": {} })
        );
        for wrong in
            [json!({ "unix": "/s", "host": "db" }), json!({ "host": "db", "as": "x" }), json!({ "port": 1 })]
        {
            assert_eq!(address(wrong).connect().unwrap_err().code, "invalid-input");
        }
    }
}
