//! What one module says: its `use` trees, the paths in its code and macros, its types and functions.

use std::collections::BTreeSet;

use proc_macro2::{Spacing, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItem, Item, UseTree};

use super::code::{Definition, Function, Import, Mention};

/// Found in one module.
#[derive(Default)]
pub(crate) struct Found {
    pub items: BTreeSet<String>,
    pub imports: Vec<Import>,
    pub globs: Vec<Vec<String>>,
    pub mentions: Vec<Mention>,
    pub types: Vec<Definition>,
    pub functions: Vec<Function>,
}

/// Walks the items of one module.
pub(crate) struct Collector<'a> {
    pub found: Found,
    file: &'a str,
    lines: Vec<&'a str>,
    /// Crate, modules and type around what is read.
    place: Vec<String>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(krate: &str, module: &[String], file: &'a str, text: &'a str) -> Self {
        let place = [krate.to_owned()].into_iter().chain(module.iter().cloned()).collect();
        Collector { found: Found::default(), file, lines: text.lines().collect(), place }
    }

    /// Registers the name of an item.
    pub(crate) fn define(&mut self, item: &Item) {
        let ident = match item {
            Item::Const(item) => &item.ident,
            Item::Enum(item) => &item.ident,
            Item::Fn(item) => &item.sig.ident,
            Item::Static(item) => &item.ident,
            Item::Struct(item) => &item.ident,
            Item::Trait(item) => &item.ident,
            Item::Type(item) => &item.ident,
            Item::Union(item) => &item.ident,
            Item::Macro(syn::ItemMacro { ident: Some(ident), .. }) => ident,
            _ => return,
        };
        self.found.items.insert(ident.to_string());
    }

    fn mention(&mut self, path: Vec<String>, span: Span) {
        self.found.mentions.push(Mention { path, line: span.start().line });
    }

    fn define_type(&mut self, ident: &syn::Ident) {
        let (name, line) = (ident.to_string(), ident.span().start().line);
        self.found.types.push(Definition { name, file: self.file.into(), line });
    }

    fn function(&mut self, ident: &syn::Ident, block: &Block) {
        let (open, close) =
            (block.brace_token.span.open().start().line, block.brace_token.span.close().start().line);
        let lines = code_lines(&self.lines[open.min(self.lines.len())..close.saturating_sub(1).max(open)]);
        let path = self.place.iter().cloned().chain([ident.to_string()]).collect();
        self.found.functions.push(Function {
            path,
            file: self.file.into(),
            line: ident.span().start().line,
            lines,
        });
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| before.iter().cloned().chain([ident.to_string()]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
            UseTree::Glob(glob) => {
                self.found.globs.push(before.to_vec());
                self.mention(before.to_vec(), glob.star_token.spans[0]);
            }
            UseTree::Name(name) if name.ident == "self" => {
                self.import(None, before.to_vec(), name.ident.span())
            }
            UseTree::Name(name) => self.import(None, with(&name.ident), name.ident.span()),
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { before.to_vec() } else { with(&rename.ident) };
                self.import(Some(rename.rename.to_string()), path, rename.ident.span());
            }
        }
    }

    fn import(&mut self, name: Option<String>, path: Vec<String>, span: Span) {
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        self.mention(path.clone(), span);
        self.found.imports.push(Import { name, path });
    }

    /// Paths in the tokens of a macro.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut start = Span::call_site();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path, start);
                        start = ident.span();
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && colons < 2 && !path.is_empty() => {
                    let joint = punct.spacing() == Spacing::Joint;
                    colons = if colons == 0 && !joint { 3 } else { colons + 1 };
                }
                other => {
                    self.end(&mut path, start);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.end(&mut path, start);
    }

    fn end(&mut self, path: &mut Vec<String>, start: Span) {
        let path = std::mem::take(path);
        if path.len() > 1 {
            self.mention(path, start);
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !only_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let before = if item.leading_colon.is_some() { vec![String::new()] } else { Vec::new() };
        self.tree(&item.tree, &before);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 || path.leading_colon.is_some() {
            let colons = path.leading_colon.is_some().then(String::new);
            let names = path.segments.iter().map(|segment| segment.ident.to_string());
            self.mention(colons.into_iter().chain(names).collect(), path.segments[0].ident.span());
        }
        visit::visit_path(self, path);
    }

    /// `pub(in path)` is no import.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.tokens(invocation.tokens.clone());
        visit::visit_macro(self, invocation);
    }

    /// Paths in text, such as `#[serde(with = "crate::api::time")]`.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
            for literal in literals(list.tokens.clone()) {
                let text = literal.to_string();
                let text = text.trim_matches('"');
                let word =
                    |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
                let path: Vec<String> = text.split("::").map(str::to_owned).collect();
                if path.len() > 1 && path.iter().all(|part| word(part)) {
                    self.mention(path, literal.span());
                }
            }
        }
        visit::visit_attribute(self, attribute);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.define_type(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.define_type(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.define_type(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.define_type(&item.ident);
        self.place.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.place.pop();
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        let depth = self.place.len();
        self.place.extend(name);
        visit::visit_item_impl(self, item);
        self.place.truncate(depth);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }
}

fn literals(tokens: TokenStream) -> Vec<proc_macro2::Literal> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Literal(literal) => found.push(literal),
            TokenTree::Group(group) => found.extend(literals(group.stream())),
            _ => {}
        }
    }
    found
}

/// Lines that are neither blank nor a comment.
fn code_lines(lines: &[&str]) -> usize {
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// `true` if only tests compile the item.
pub(crate) fn only_for_tests(item: &Item) -> bool {
    let attributes = match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(is_for_tests)
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
    let text = list.tokens.to_string();
    attribute.path().is_ident("cfg")
        && (text == "test" || text.starts_with("all (test") || text.starts_with("all(test"))
}

/// Text of `#[path = "…"]`.
pub(crate) fn path_attribute(module: &syn::ItemMod) -> Option<String> {
    module.attrs.iter().filter(|attribute| attribute.path().is_ident("path")).find_map(|attribute| {
        let syn::Meta::NameValue(pair) = &attribute.meta else { return None };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else { return None };
        Some(text.value())
    })
}
