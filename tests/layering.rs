//! Holds the house to its plan: the modules stand in `src/lib.rs` in the order of their floors, and each may
//! use only what stands above it. What is read is the token stream, so that comments, doc links and
//! strings count for nothing while the inside of a macro call counts like any other code.
#![cfg(test)]

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The most lines that a source file may have, its unit tests aside.
const LONGEST_FILE: usize = 600;

/// One file of `src`, with its place in the module tree: `["proxy", "headers"]`.
struct Source {
    file: PathBuf,
    module: Vec<String>,
    text: String,
}

#[test]
fn no_module_uses_one_below_its_floor() {
    let floors = floors();
    let faults: Vec<String> = sources().iter().flat_map(|source| layering_faults(source, &floors)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_of_src_is_a_module_that_its_parent_declares() {
    let sources = sources();
    let declared: BTreeSet<Vec<String>> = sources.iter().flat_map(declared_modules).collect();
    let lost: Vec<String> = sources
        .iter()
        .filter(|source| !source.module.is_empty() && !declared.contains(&source.module))
        .map(|source| format!("{}: nothing declares `mod {}`", source.file.display(), source.module.join("::")))
        .collect();
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| source.module.last().is_none_or(|name| name != "tests"))
        .map(|source| (source, lines_without_tests(&source.text)))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(source, lines)| format!("{}: {lines} lines, {LONGEST_FILE} are allowed", source.file.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_it_is_responsible_for() {
    let silent: Vec<String> = sources()
        .iter()
        .filter(|source| source.module.last().is_none_or(|name| name != "tests"))
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{}: does not open with `//! `", source.file.display()))
        .collect();
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

/// The top-level modules in the order in which `src/lib.rs` declares them, the highest floor first.
fn floors() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("lib.rs")).unwrap();
    declared_modules(&Source { file: "lib.rs".into(), module: Vec::new(), text })
        .into_iter()
        .map(|path| path.concat())
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file under `src` but `main.rs`, which is no part of the library and may use all of it.
fn sources() -> Vec<Source> {
    let mut folders = vec![root()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let file = entry.unwrap().path();
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|extension| extension == "rs") && file != root().join("main.rs") {
                let text = std::fs::read_to_string(&file).unwrap();
                sources.push(Source { module: module_of(file.strip_prefix(root()).unwrap()), file, text });
            }
        }
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    sources
}

/// The module that a file below `src` holds: `proxy/mod.rs` is `proxy`, `proxy/headers.rs` is `proxy::headers`.
fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        file.with_extension("").components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

/// The modules that a file declares with `mod name;`, by their whole paths, in the order of the file.
fn declared_modules(source: &Source) -> Vec<Vec<String>> {
    let tokens: Vec<TokenTree> = parse(source).into_iter().collect();
    tokens
        .windows(3)
        .filter_map(|window| match window {
            [TokenTree::Ident(keyword), TokenTree::Ident(name), TokenTree::Punct(end)]
                if keyword == "mod" && end.as_char() == ';' =>
            {
                Some(source.module.iter().cloned().chain([name.to_string()]).collect())
            }
            _ => None,
        })
        .collect()
}

fn parse(source: &Source) -> TokenStream {
    source.text.parse().unwrap_or_else(|error| panic!("{}: {error}", source.file.display()))
}

/// Each use of a top-level module that stands below the file's own, and each path from the root that names
/// no module of the list (a glob, an alias of the crate), since nobody could tell its floor.
fn layering_faults(source: &Source, floors: &[String]) -> Vec<String> {
    // The crate's root declares the modules; it holds no code of its own.
    let Some(own) = source.module.first() else { return Vec::new() };
    let Some(own_floor) = floors.iter().position(|name| name == own) else {
        return vec![format!("{}: module `{own}` has no floor in src/lib.rs", source.file.display())];
    };
    let mut uses = Vec::new();
    collect_uses(parse(source), source.module.len(), &mut uses);
    uses.into_iter()
        .filter_map(|(line, used)| {
            let place = format!("{}:{line}", source.file.display());
            match floors.iter().position(|name| *name == used) {
                None => Some(format!("{place}: `crate::{used}` names no module of src/lib.rs")),
                Some(floor) if floor > own_floor => Some(format!("{place}: `{own}` uses `{used}`, which is below it")),
                Some(_) => None,
            }
        })
        .collect()
}

/// The top-level modules that the tokens name, with the line of each: `crate::x`, `crate::{x, y::z}`, and as
/// many `super::` as lead to the root from modules nested `depth` deep.
fn collect_uses(tokens: TokenStream, depth: usize, uses: &mut Vec<(usize, String)>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "crate" || word == "super" => {
                let after = from_root(&tokens[at..], depth);
                at += after.unwrap_or(1);
                if after.is_some() {
                    name_first_segments(tokens.get(at), uses);
                }
                continue;
            }
            TokenTree::Group(group) => {
                let inline_module = group.delimiter() == Delimiter::Brace
                    && at >= 2
                    && matches!(&tokens[at - 2], TokenTree::Ident(keyword) if keyword == "mod");
                collect_uses(group.stream(), depth + usize::from(inline_module), uses);
            }
            _ => {}
        }
        at += 1;
    }
}

/// How many tokens lead from here to just behind the `::` that follows the crate's root; `None` if the path
/// starts somewhere else. `pub(crate)` is no path.
fn from_root(tokens: &[TokenTree], depth: usize) -> Option<usize> {
    let is = |at: usize, text: &str| match tokens.get(at) {
        Some(TokenTree::Ident(word)) => word == text,
        Some(TokenTree::Punct(mark)) => text.starts_with(mark.as_char()),
        _ => false,
    };
    let separated = |at: usize| is(at, ":") && is(at + 1, ":");
    if is(0, "crate") {
        return (separated(1) || is(1, "as")).then_some(if is(1, "as") { 1 } else { 3 });
    }
    let supers = (0..).take_while(|step| is(step * 3, "super") && separated(step * 3 + 1)).count();
    (supers > 0 && supers >= depth).then_some(supers * 3)
}

/// The first segment of the path that starts here, or of each path of a group.
fn name_first_segments(start: Option<&TokenTree>, uses: &mut Vec<(usize, String)>) {
    match start {
        Some(TokenTree::Group(group)) => {
            let mut starts = true;
            for token in group.stream() {
                if starts {
                    name_first_segments(Some(&token), uses);
                }
                starts = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == ',');
            }
        }
        Some(token) => uses.push((token.span().start().line, token.to_string())),
        None => {}
    }
}

/// The lines of a file less those of its `#[cfg(test)]` modules.
fn lines_without_tests(text: &str) -> usize {
    let tokens: Vec<TokenTree> = text.parse::<TokenStream>().unwrap().into_iter().collect();
    let tests: usize = tokens
        .windows(5)
        .filter_map(|window| match window {
            [
                TokenTree::Punct(mark),
                TokenTree::Group(attribute),
                TokenTree::Ident(keyword),
                _,
                TokenTree::Group(body),
            ] if mark.as_char() == '#'
                && attribute.to_string().replace(' ', "") == "[cfg(test)]"
                && keyword == "mod" =>
            {
                Some(body.span().end().line - mark.span().start().line + 1)
            }
            _ => None,
        })
        .sum();
    text.lines().count() - tests
}

#[cfg(test)]
mod of_the_reading_itself {
    use super::*;

    const FLOORS: [&str; 4] = ["base", "config", "auth", "proxy"];

    fn faults(module: &str, text: &str) -> Vec<String> {
        let module: Vec<String> = module.split("::").map(str::to_owned).collect();
        let floors: Vec<String> = FLOORS.iter().map(|floor| (*floor).to_owned()).collect();
        layering_faults(&Source { file: "file.rs".into(), module, text: text.to_owned() }, &floors)
    }

    #[test]
    fn what_points_down_is_found_however_it_is_written() {
        let downward = [
            ("a plain import", "use crate::proxy::forward;"),
            ("a grouped import", "use crate::{base::hex, proxy::{self, reply}};"),
            ("a group within a group", "use crate::{base, {config, proxy}};"),
            ("a path in an expression", "fn f() { crate::proxy::go() }"),
            ("a path in a type", "fn f(x: Vec<crate::proxy::Reply>) {}"),
            ("a path in a macro call", "fn f() { log!(x = crate::proxy::X) }"),
            ("a path with spaces", "use crate :: proxy ;"),
            ("a way through super", "use super::proxy;"),
            ("an inline module's way through super", "mod tests { use super::super::proxy::Reply; }"),
            ("a visibility before it", "pub(crate) use crate::proxy;"),
            ("test code", "#[cfg(test)] mod tests { use crate::proxy; }"),
        ];
        for (what, text) in downward {
            assert_eq!(faults("auth", text), ["file.rs:1: `auth` uses `proxy`, which is below it"], "{what}");
        }
    }

    #[test]
    fn what_points_up_or_stays_at_home_is_let_be() {
        let upward = [
            ("its own module", "auth", "use crate::auth::digest;"),
            ("higher floors", "auth", "use crate::{base::{clock, hex}, config};"),
            ("its parent", "auth::digest", "use super::decision;"),
            ("its own tests", "auth", "mod tests { use super::*; }"),
            ("a doc link", "auth", "/// See [`crate::proxy`].\nfn f() {}"),
            ("a comment", "auth", "// crate::proxy does it\nfn f() {}"),
            ("a string", "auth", "const A: &str = \"crate::proxy\";"),
            ("a visibility", "auth", "pub(crate) fn f() {} pub(in crate::auth) fn g() {}"),
            ("another crate", "auth", "use hyper::proxy;"),
        ];
        for (what, module, text) in upward {
            assert_eq!(faults(module, text), Vec::<String>::new(), "{what}");
        }
    }

    #[test]
    fn a_path_whose_floor_nobody_can_tell_is_a_fault() {
        assert_eq!(faults("auth", "use crate::*;"), ["file.rs:1: `crate::*` names no module of src/lib.rs"]);
        assert_eq!(faults("auth", "use crate as gate;"), ["file.rs:1: `crate::as` names no module of src/lib.rs"]);
        assert_eq!(faults("attic", "fn f() {}"), ["file.rs: module `attic` has no floor in src/lib.rs"]);
    }

    #[test]
    fn the_place_of_a_file_says_which_module_it_is() {
        for (file, module) in
            [("lib.rs", ""), ("identity.rs", "identity"), ("proxy/mod.rs", "proxy"), ("a/b/c.rs", "a::b::c")]
        {
            assert_eq!(module_of(Path::new(file)).join("::"), module);
        }
    }

    #[test]
    fn modules_are_read_in_the_order_of_their_declaration() {
        let text = "//! About.\npub mod base;\nmod config;\npub(crate) mod auth;\nmod inline { fn f() {} }\n";
        let declared = declared_modules(&Source { file: "lib.rs".into(), module: vec!["x".into()], text: text.into() });
        assert_eq!(
            declared.iter().map(|path| path.join("::")).collect::<Vec<_>>(),
            ["x::base", "x::config", "x::auth"]
        );
    }

    #[test]
    fn unit_tests_do_not_count_as_lines_of_a_file() {
        assert_eq!(lines_without_tests("fn f() {}\n\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n"), 2);
        assert_eq!(lines_without_tests("fn f() {}\n#[cfg(test)]\nmod tests;\n"), 3);
    }
}
