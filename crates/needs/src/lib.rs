//! Tests that need something from outside of the repository.
//!
//! A test that returns early is green without having checked anything. [`macro@needs`] marks it as ignored instead, and
//! the test runner counts and names it:
//!
//! ```ignore
//! #[needs(shared)]
//! #[test]
//! fn every_recorded_prompt_is_reproduced() {
//!     let goldens = folder!(shared).join("goldens");
//! }
//! ```
//!
//! What there is, is looked up when the tests are compiled; they are compiled again when its variable changes.

mod need;

use proc_macro::TokenStream;
use quote::quote;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Ident, ItemFn, Token, parse_macro_input};

use need::Need;

/// Marks a test as ignored where what it needs is not there: `#[needs(shared)]`, `#[needs(real, browser)]`.
///
/// | name | variable | what |
/// |---|---|---|
/// | `shared` | `GAC_SHARED`, else `../shared` | data sets, tokenizers and recordings beside the repository |
/// | `real` | `GAC_REAL` | real weights, as `scripts/real/fetch.py` brings them |
/// | `yaml` | `GAC_YAML_TASKS` | prompts of YAML tasks, as `scripts/lm_eval/yaml_tasks.py` makes them |
/// | `browser` | `GAC_CHROMIUM`, else `chromium` on the path | a browser |
/// | `gpu` | `GAC_GPU`, any value | an NVIDIA GPU; an emulated one with `scripts/cuda/emulator/run.sh` |
/// | `emulator` | `GAC_CUDA_EMULATOR` | an emulated one alone: what it writes down is counted |
/// | `namespaces` | | `unshare`, allowed to make a user's mount namespace |
///
/// It stands above `#[test]`; anywhere else it does not compile.
#[proc_macro_attribute]
pub fn needs(names: TokenStream, test: TokenStream) -> TokenStream {
    let names = match Punctuated::<Ident, Token![,]>::parse_terminated.parse(names) {
        Ok(names) => names,
        Err(error) => return error.into_compile_error().into(),
    };
    let test = parse_macro_input!(test as ItemFn);
    // Below `#[test]`, it would come too late to have the test ignored.
    if !test.attrs.iter().any(|attribute| attribute.path().is_ident("test")) {
        let message = "`#[needs]` has to stand above `#[test]`";
        return syn::Error::new_spanned(&test.sig.ident, message).into_compile_error().into();
    }
    let needs: Vec<Need> = match names.iter().map(Need::parse).collect() {
        Ok(needs) => needs,
        Err(error) => return error.into_compile_error().into(),
    };
    let reasons: Vec<String> = needs.iter().filter(|need| need.find().is_none()).map(Need::reason).collect();
    let ignore = (!reasons.is_empty()).then(|| {
        let reason = format!("needs {}", reasons.join(" and "));
        quote!(#[ignore = #reason])
    });
    let tracked = needs.iter().filter_map(Need::tracked);
    quote!(#ignore #test #(#tracked)*).into()
}

/// The folder or program that a test needs, a `&'static Path`. Running an ignored test without it panics.
#[proc_macro]
pub fn folder(name: TokenStream) -> TokenStream {
    let name = parse_macro_input!(name as Ident);
    let need = match Need::parse(&name) {
        Ok(need) => need,
        Err(error) => return error.into_compile_error().into(),
    };
    let reason = format!("this test needs {}", need.reason());
    match need.find() {
        Some(path) => {
            let path = path.display().to_string();
            quote!(::std::path::Path::new(#path)).into()
        }
        None => quote!(if true { panic!(#reason) } else { ::std::path::Path::new("") }).into(),
    }
}
