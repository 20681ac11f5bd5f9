//! The page of `gac serve`, in a real browser with real models.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/browser.rs"]
mod browser;
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use browser::Browser;
use gac_needs::needs;
use serde_json::json;
use support::root;

/// A server of the mini recipe, and its address.
struct Served(Child, String);

impl Served {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gac"))
            .args(["serve", "recipes/mini.toml", "--port", "0"])
            .current_dir(root())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| Some(line.unwrap().split_once(" at http://")?.1.to_owned()));
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, format!("http://{}/", address.unwrap()))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until an expression is true, for at most half a minute.
fn wait_for(browser: &mut Browser, expression: &str) {
    let polled = format!(
        "new Promise((done) => {{ const began = Date.now(); const look = () => ({expression}) || Date.now() - began > 30000 \
         ? done({expression}) : setTimeout(look, 50); look(); }})"
    );
    assert_eq!(browser.value(&polled), true, "{expression}");
}

#[needs(browser)]
#[test]
fn systems_answer_side_by_side_and_texts_are_inert() {
    let served = Served::start();
    let mut browser = Browser::start();
    let hostile = "<img src=x onerror=alert(1)></script><script>alert(2)</script>";
    for (name, width, height, scheme) in
        [("serve-light", 1280, 900, "light"), ("serve-dark", 1280, 900, "dark"), ("serve-phone", 390, 844, "light")]
    {
        browser.resize(width, height);
        browser.prefer(scheme);
        browser.visit(&served.1);
        wait_for(&mut browser, "document.querySelectorAll('#systems input').length === 4");
        let ask = json!(format!("{hostile} Question: How many cups are 3 cups and 4 cups?\nAnswer:"));
        browser.value(&format!(
            "document.querySelectorAll('#systems input').forEach((box, at) => {{ if (box.checked !== at > 1) box.click(); }});
             document.getElementById('mode').value = 'text';
             document.getElementById('most').value = '12';
             document.getElementById('prompt').value = {ask};
             document.getElementById('ask').requestSubmit();"
        ));
        wait_for(&mut browser, "!document.getElementById('send').disabled");
        assert_eq!(browser.value("document.getElementById('threshold-field').hidden"), false);
        let names = "[...document.querySelectorAll('.answer h2')].map((name) => name.textContent)";
        assert_eq!(browser.value(names), json!(["GaC every step", "GaC gated 0.5"]));
        // Every token has a colour, and a table of what each member thought.
        assert_eq!(browser.value("document.querySelector('.answer .tokens').childElementCount"), 12);
        let coloured = "[...document.querySelectorAll('.answer:first-child .tokens span')].every((token) => \
                        token.classList.contains('agreed') || token.classList.contains('overruled'))";
        assert_eq!(browser.value(coloured), true);
        browser.value("document.querySelector('.answer .tokens span').focus()");
        assert_eq!(browser.value("document.querySelectorAll('.answer .token-detail tbody tr').length"), 2);
        let shown = browser.value("document.querySelector('.question').textContent");
        assert!(shown.as_str().unwrap().starts_with(hostile), "{shown}");
        assert_eq!(browser.value("document.querySelectorAll('img, main script').length"), 0);
        assert_eq!(browser.value("document.documentElement.scrollWidth <= window.innerWidth"), true);
        browser.picture(name);
        // The slider decides where members vote.
        for (threshold, share) in [("1", "100.0 % ensembled"), ("0", "0.0 % ensembled")] {
            browser.value(&format!(
                "document.getElementById('threshold').value = '{threshold}';
                 document.getElementById('threshold').dispatchEvent(new Event('input'));
                 document.getElementById('clear').click();
                 document.getElementById('prompt').value = 'Question: How many cups are 3 cups and 4 cups?';
                 document.getElementById('ask').requestSubmit();"
            ));
            wait_for(&mut browser, "!document.getElementById('send').disabled");
            let told = "document.querySelector('.answer:last-child').textContent";
            let told = browser.value(told);
            assert!(told.as_str().unwrap().contains(share), "threshold {threshold}: {told}");
        }
    }
    let foreign: Vec<String> = browser.problems().into_iter().filter(|problem| !problem.contains(&served.1)).collect();
    assert_eq!(foreign, Vec::<String>::new());
}
