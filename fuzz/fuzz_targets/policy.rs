//! A policy file loads or is reported, and whatever is reported can be shown.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    match postern::policy::load(&[("routes.yaml", text)], None) {
        Ok(policy) => {
            for path in ["/", "/a", "/a/", "/a/b/c", "/api/v1/org/6c9c0f6e-1111-4222-8333-0123456789ab/x"] {
                let _ = policy.find("api.example.com", path);
            }
        }
        Err(findings) => {
            assert!(findings.has_errors());
            assert!(!findings.to_lines().is_empty());
            assert!(!findings.to_text(false).is_empty());
            let _ = findings.to_json();
        }
    }
});
