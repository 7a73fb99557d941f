//! Envelopes, batches, limits, HTTP.

use actix_web::{App, http::StatusCode, test};
use alloy_primitives::Bytes;
use serde_json::{Value, json};

use super::fixture::{body, refusal, rpc, rpc_with};
use crate::rpc::{Limits, RpcError, http};

fn code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{answer}"))
}

#[actix_web::test]
async fn what_is_no_request_is_refused_by_its_code() {
    let (rpc, _) = rpc();
    for (text, expected) in [
        ("", -32700),
        ("{", -32700),
        ("\u{0}", -32700),
        ("1", -32600),
        ("[]", -32600),
        (r#"{"id":1,"method":"eth_chainId"}"#, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_nothing","params":[]}"#, -32601),
    ] {
        assert_eq!(code(&body(&rpc, text).await.unwrap()), expected, "{text}");
    }
    assert_eq!(code(&body(&rpc, &"[".repeat(100_000)).await.unwrap()), -32700);
    // viem falls back to the usual way only on exactly this code.
    assert_eq!(refusal(&rpc, "eth_fillTransaction", json!([{}])).await.0, -32601);
    let (_, text) = refusal(&rpc, &format!("eth_\n{}", "x".repeat(500)), json!([])).await;
    assert!(text.len() < 120);
}

#[actix_web::test]
async fn ids_come_back_and_notifications_get_no_answer() {
    let (rpc, _) = rpc();
    for id in [json!(7), json!("seven"), Value::Null] {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": "eth_chainId" });
        assert_eq!(body(&rpc, &request.to_string()).await.unwrap()["id"], id);
    }
    assert_eq!(body(&rpc, r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#).await, None);
    assert_eq!(body(&rpc, r#"[{"jsonrpc":"2.0","method":"eth_chainId"}]"#).await, None);
}

#[actix_web::test]
async fn batches_answer_in_order_and_end_somewhere() {
    let (rpc, _) = rpc_with(Limits { batch_calls: 3, ..Limits::default() });
    let one = |id: u64, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let batch = json!([one(1, "eth_chainId"), 5, one(3, "eth_blockNumber")]);
    let answers = body(&rpc, &batch.to_string()).await.unwrap();
    assert_eq!(answers[0]["result"], "0x6c1");
    assert_eq!(code(&answers[1]), -32600);
    assert_eq!((answers[2]["id"].clone(), answers[2]["result"].clone()), (json!(3), json!("0x3")));
    let long = json!([one(1, "eth_chainId"), one(2, "eth_chainId"), one(3, "eth_chainId"), one(4, "eth_chainId")]);
    assert_eq!(code(&body(&rpc, &long.to_string()).await.unwrap()), -32005);
}

#[actix_web::test]
async fn the_answers_of_a_batch_are_bounded() {
    let (rpc, _) = rpc_with(Limits { answer_bytes: 100, ..Limits::default() });
    let one = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["latest", true] });
    let answers = body(&rpc, &json!([one, one]).to_string()).await.unwrap();
    assert!(answers[0].get("result").is_some());
    assert_eq!(code(&answers[1]), -32005);
}

#[::core::prelude::v1::test]
fn a_revert_carries_its_data() {
    let object = RpcError::reverted(&Bytes::from_static(&[1, 2])).to_json();
    assert_eq!(object, json!({ "code": 3, "message": "execution reverted", "data": "0x0102" }));
}

macro_rules! app {
    ($limits:expr) => {{
        let (rpc, _) = rpc_with($limits);
        test::init_service(App::new().configure(|config| http::configure(config, rpc))).await
    }};
}

#[actix_web::test]
async fn http_carries_calls_with_cors() {
    let app = app!(Limits::default());
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" }).to_string();
    let request = test::TestRequest::post()
        .uri("/")
        .insert_header(("content-type", "application/json"))
        .set_payload(call.clone());
    let response = test::call_service(&app, request.to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().get("access-control-allow-origin").unwrap(), "*");
    let answer: Value = test::read_body_json(response).await;
    assert_eq!(answer["result"], "0x6c1");
    let preflight = test::TestRequest::with_uri("/").method(actix_web::http::Method::OPTIONS);
    let response = test::call_service(&app, preflight.to_request()).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(response.headers().get("access-control-allow-headers").unwrap(), "content-type");
    let plain = test::TestRequest::post().uri("/").insert_header(("content-type", "text/plain")).set_payload(call);
    assert_eq!(test::call_service(&app, plain.to_request()).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[actix_web::test]
async fn http_refuses_huge_bodies_and_parses_none_of_them() {
    let app = app!(Limits { body_bytes: 1000, ..Limits::default() });
    let send = |bytes: usize| {
        test::TestRequest::post()
            .uri("/")
            .insert_header(("content-type", "application/json; charset=utf-8"))
            .set_payload(vec![b' '; bytes])
    };
    let response = test::call_service(&app, send(1001).to_request()).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let response = test::call_service(&app, send(1000).to_request()).await;
    assert_eq!(response.status(), StatusCode::OK);
    let answer: Value = test::read_body_json(response).await;
    assert_eq!(code(&answer), -32700);
}

#[actix_web::test]
async fn health_batches_and_proofs_are_plain_gets() {
    let app = app!(Limits::default());
    let get = |uri: String| test::TestRequest::get().uri(&uri).to_request();
    let health: Value = test::read_body_json(test::call_service(&app, get("/health".into())).await).await;
    assert_eq!(health, json!({ "status": "ok", "chainId": 1729, "height": 3, "timeMs": 1_700_000_003_500u64 }));
    let file = test::read_body(test::call_service(&app, get("/batches/0".into())).await).await;
    assert_eq!(&file[..], b"\x00batch\xff");
    assert_eq!(test::call_service(&app, get("/batches/1".into())).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(test::call_service(&app, get("/batches/x".into())).await.status(), StatusCode::NOT_FOUND);
    let hash = alloy_primitives::keccak256(b"proof");
    let proof = test::read_body(test::call_service(&app, get(format!("/proofs/{hash}"))).await).await;
    assert_eq!(&proof[..], b"proof");
}
