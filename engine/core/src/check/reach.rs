//! What steps reach for, as far as it is known, against what is granted and what this machine allows. It must not know
//! how grants are written.

use super::checker::{Checker, Signature};
use super::grants::Known;
use crate::document::node::{Node, What};
use crate::document::{Span, Step};
use crate::fault::{Code, codes};
use crate::grant::{Grants, matches};
use crate::policy::Policy;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Reports what steps are known to reach for and is not granted; each thing once.
pub(super) fn covered(check: &mut Checker<'_>, all: &BTreeMap<String, Known>) {
    let doc = check.doc;
    let shipped = Policy::default();
    let policy = check.policy.unwrap_or(&shipped);
    let nothing = Known::default();
    let cut: BTreeMap<&str, Grants> =
        all.iter().map(|(plugin, known)| (plugin.as_str(), policy.cut(plugin, &known.grants).0)).collect();
    let none = Grants::default();
    let mut said = BTreeSet::new();
    for (index, step) in doc.steps.iter().enumerate() {
        let (Some(uses), Some(signature)) = (step.uses(), check.signatures[index].as_ref().map(Rc::clone))
        else {
            continue;
        };
        let mut reach = Reach {
            check,
            step,
            plugin: &uses.plugin,
            action: &uses.action,
            at: uses.span,
            known: all.get(&uses.plugin).unwrap_or(&nothing),
            allowed: cut.get(uses.plugin.as_str()).unwrap_or(&none),
            said: &mut said,
        };
        reach.programs(&signature, policy);
        reach.things(&signature);
        reach.addresses(&signature);
        reach.secrets(&signature);
    }
}

struct Reach<'c, 'a> {
    check: &'c mut Checker<'a>,
    step: &'a Step,
    plugin: &'a str,
    action: &'a str,
    at: Span,
    known: &'c Known,
    /// The grants, cut down to what this machine allows.
    allowed: &'c Grants,
    said: &'c mut BTreeSet<(String, &'static str, String)>,
}

impl Reach<'_, '_> {
    fn programs(&mut self, signature: &Signature, policy: &Policy) {
        for program in &signature.step.needs.run {
            let read_only = policy.read_only.iter().filter(|reader| &reader.program == program);
            let granted = |grants: &Grants| {
                grants.run.iter().any(|pattern| matches(pattern, program))
                    || read_only
                        .clone()
                        .any(|reader| reader.goes_with.iter().any(|with| goes_with(grants, with)))
            };
            let (known, allowed) = (granted(&self.known.grants), granted(self.allowed));
            if !allowed && !self.known.open.contains("run") {
                self.missing(codes::PROGRAM, "run", program, self.at, known);
            }
        }
    }

    fn things(&mut self, signature: &Signature) {
        let needs = &signature.step.needs;
        for (key, list) in [
            ("on", &needs.on),
            ("mount", &needs.mount),
            ("read", &needs.read),
            ("write", &needs.write),
            ("units", &needs.units),
            ("freeze", &needs.freeze),
        ] {
            for need in list {
                for (thing, span) in self.known_values(need) {
                    self.thing(key, &thing, span);
                }
            }
        }
    }

    fn thing(&mut self, key: &'static str, thing: &str, span: Span) {
        // A bare name of a group or a label says nothing about which object or path it will be.
        let comparable = match key {
            "on" => thing.contains('/'),
            "units" => true,
            _ => thing.starts_with('/'),
        };
        if !comparable
            || self.known.open.contains(key)
            || (key == "read" && self.known.open.contains("write"))
        {
            return;
        }
        let granted = |grants: &Grants| match key {
            "on" => any(&grants.on, thing),
            "mount" => any(&grants.mount, thing),
            "read" => any(&grants.read, thing) || any(&grants.write, thing),
            "write" => any(&grants.write, thing),
            "units" => any(&grants.units, thing) || any(&grants.units, thing.trim_end_matches(".service")),
            _ => any(&grants.freeze, thing),
        };
        if !granted(self.allowed) {
            let known = granted(&self.known.grants);
            self.missing(codes::UNGRANTED, key, thing, span, known);
        }
    }

    fn addresses(&mut self, signature: &Signature) {
        if !signature.step.needs.connect || self.known.open.contains("connect") {
            return;
        }
        if self.known.grants.connect.is_empty() {
            self.missing(codes::NO_CONNECT, "connect", "", self.at, false);
        } else if self.allowed.connect.is_empty() {
            self.missing(codes::NO_CONNECT, "connect", "", self.at, true);
        }
    }

    fn secrets(&mut self, signature: &Signature) {
        for secret in &signature.step.needs.secrets {
            for (name, span) in self.known_values(secret) {
                let known = any(&self.known.grants.secrets, &name);
                if !any(&self.allowed.secrets, &name) && !self.known.open.contains("secrets") {
                    self.missing(codes::UNGRANTED, "secrets", &name, span, known);
                } else if self.check.policy.is_some_and(|policy| !policy.secrets.contains_key(&name)) {
                    let message = format!("this machine's policy has no secret `{name}`");
                    let fault = self.check.error(codes::NO_SECRET, span, message);
                    let names: Vec<String> = self
                        .check
                        .policy
                        .map(|policy| policy.secrets.keys().cloned().collect())
                        .unwrap_or_default();
                    self.check.push(fault.help_names(&name, names.iter().map(String::as_str)));
                }
            }
        }
    }

    /// What a need stands for: itself, or the texts at the place of the input that it points at, as far as they are
    /// known before any step has run.
    fn known_values(&mut self, need: &str) -> Vec<(String, Span)> {
        let Some(pointer) = need.strip_prefix("with:") else { return vec![(need.to_owned(), self.at)] };
        let Some(node) = self.step.with.as_ref().and_then(|with| with.at(pointer)) else { return Vec::new() };
        let mut found = Vec::new();
        self.collect(node, &mut found);
        found
    }

    fn collect(&mut self, node: &Node, found: &mut Vec<(String, Span)>) {
        match &node.what {
            What::List(items) => items.iter().for_each(|item| self.collect(item, found)),
            What::Text(text) => match self.check.value_of(text) {
                Some(Value::String(value)) => found.push((value, node.span)),
                Some(Value::Array(values)) => {
                    found.extend(
                        values.iter().filter_map(Value::as_str).map(|value| (value.to_owned(), node.span)),
                    );
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn missing(&mut self, code: Code, key: &'static str, thing: &str, at: Span, known: bool) {
        if !self.said.insert((self.plugin.to_owned(), key, thing.to_owned())) {
            return;
        }
        let name = format!("{}.{}", self.plugin, self.action);
        let what = match key {
            "run" => format!("`{name}` runs `{thing}`"),
            "connect" => format!("`{name}` connects to something"),
            "units" => format!("`{name}` reaches for the service `{thing}`"),
            "secrets" => format!("`{name}` reads the secret `{thing}`"),
            "on" => format!("`{name}` reaches for `{thing}`"),
            "mount" => format!("`{name}` mounts or unmounts `{thing}`"),
            "freeze" => format!("`{name}` freezes `{thing}`"),
            verb => format!("`{name}` {verb}s `{thing}`"),
        };
        let plugin = self.plugin;
        let fault = if known {
            let message = format!("{what}, and this machine's policy does not allow that to `{plugin}`");
            self.check
                .error(code, at, message)
                .help("the document grants it; the policy's `grants` would have to as well")
        } else {
            let thing = if key == "connect" { "{ unix: PATH, as: USER }" } else { thing };
            let fault = self.check.error(code, at, format!("{what}, and that is not granted"));
            fault.help(format!("add `{key}: [{thing}]` to `{plugin}` under `grants`"))
        };
        self.check.push(fault);
    }
}

fn any(patterns: &[String], thing: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, thing))
}

/// Whether a read-only program goes without saying: with one of these programs, or with anything under one of the keys.
fn goes_with(grants: &Grants, with: &str) -> bool {
    match with {
        "mount" => !grants.mount.is_empty(),
        "units" => !grants.units.is_empty(),
        "read" => !grants.read.is_empty(),
        "write" => !grants.write.is_empty(),
        "connect" => !grants.connect.is_empty(),
        program => grants.run.iter().any(|pattern| matches(pattern, program)),
    }
}
