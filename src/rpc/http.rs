//! The actix routes: `POST /`, `GET /health`, `GET /batches/N`, `GET /proofs/HASH`.
//!
//! Browsers may call from any page (CORS), which is safe because nothing here
//! depends on who calls. A request must say `application/json`, so a page
//! cannot send one without the browser asking first.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
    web,
};
use alloy_primitives::B256;
use crowdfold_events::BatchIndex;
use serde_json::json;

use super::envelope::Rpc;

/// Adds the routes to an application.
pub fn configure(config: &mut web::ServiceConfig, rpc: Rpc) {
    let limit = rpc.limits().body_bytes;
    config
        .app_data(web::Data::new(rpc))
        .service(
            web::resource("/")
                .app_data(web::PayloadConfig::new(limit))
                .route(web::post().to(call))
                .route(web::method(actix_web::http::Method::OPTIONS).to(preflight)),
        )
        .service(web::resource("/health").route(web::get().to(health)))
        .service(web::resource("/batches/{batch}").route(web::get().to(batch)))
        .service(web::resource("/proofs/{hash}").route(web::get().to(proof)));
}

fn open(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    response
}

async fn preflight() -> HttpResponse {
    open(StatusCode::NO_CONTENT)
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "POST, GET, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"))
        .finish()
}

async fn call(request: HttpRequest, rpc: web::Data<Rpc>, body: Result<web::Bytes, actix_web::Error>) -> HttpResponse {
    let json_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
    if !json_type {
        return open(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .body("invalid content type, only application/json is supported");
    }
    let body = match body {
        Ok(body) => body,
        Err(fault) => return open(fault.as_response_error().status_code()).body(fault.to_string()),
    };
    match rpc.handle(&body).await {
        Some(answer) => open(StatusCode::OK).json(answer),
        None => open(StatusCode::NO_CONTENT).finish(),
    }
}

async fn health(rpc: web::Data<Rpc>) -> HttpResponse {
    let view = rpc.snapshot();
    let head = view.head();
    let time_ms = view.block(head).map(|block| block.header.time_ms);
    open(StatusCode::OK).json(json!({ "status": "ok", "chainId": view.chain_id(), "height": head, "timeMs": time_ms }))
}

async fn batch(path: web::Path<u64>, rpc: web::Data<Rpc>) -> HttpResponse {
    match rpc.snapshot().batch_file(BatchIndex(*path)) {
        Some(bytes) => open(StatusCode::OK)
            .content_type("application/octet-stream")
            .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"batch-{path}.bin\"")))
            .body(bytes.0),
        None => open(StatusCode::NOT_FOUND).body("no such proven batch"),
    }
}

async fn proof(path: web::Path<B256>, rpc: web::Data<Rpc>) -> HttpResponse {
    match rpc.snapshot().proof(&path) {
        Some(bytes) => open(StatusCode::OK).content_type("application/octet-stream").body(bytes.0),
        None => open(StatusCode::NOT_FOUND).body("no such proof"),
    }
}
