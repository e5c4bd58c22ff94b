//! The service of the admin listener and of the Unix socket: from a request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use http::header::AUTHORIZATION;
use http::request::Parts;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::admin::answer::{Fault, Outcome};
use crate::admin::call::{Call, Caller, read_body};
use crate::admin::door;
use crate::admin::identify::refuse_other_origins;
use crate::admin::pages;
use crate::admin::route::{Access, Found, Route, find};
use crate::admin::shared::{AdminParts, Origin, Shared, audit};
use crate::limits::admin::{ADMIN_BODY_BYTES_MAX, SIGN_IN_BODY_BYTES_MAX};
use crate::net::{Handler, Peer, Request, RequestBody, Response};

/// Answers the admin listener. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    shared: Arc<Shared>,
    origin: Origin,
}

impl Admin {
    /// A service over the parts of a running server.
    pub fn new(parts: AdminParts) -> Self {
        Self { shared: Arc::new(Shared::new(parts)), origin: Origin::Network }
    }

    /// The same service for the Unix socket, where nobody is asked who they are.
    #[must_use]
    pub fn for_socket(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), origin: Origin::Socket }
    }
}

impl Handler for Admin {
    fn handle(&self, request: Request) -> BoxFuture<'static, Response> {
        let (shared, origin) = (Arc::clone(&self.shared), self.origin);
        Box::pin(async move { shared.answer(request, origin).await.unwrap_or_else(Fault::into_response) })
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, request: Request, origin: Origin) -> Outcome {
        let (head, body) = request.into_parts();
        if origin == Origin::Network {
            refuse_other_origins(&head)?;
        }
        if let Some(target) = door::target(&head.uri) {
            return door::pass(&self, head, body, &target, origin).await;
        }
        if let Some(page) = pages::answer(&head.method, head.uri.path(), &head.headers) {
            return Ok(page);
        }
        match find(head.method.as_str(), head.uri.path()) {
            Found::Route(route, parameter) => self.run(route, parameter, (head, body), origin).await,
            Found::WrongMethod(methods) => {
                let text = "The path has no such method.";
                Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", text).allow(methods))
            }
            Found::Unknown => Err(Fault::absent("no-such-route", "There is no such path.")),
        }
    }

    async fn run(
        self: Arc<Self>,
        route: &Route,
        parameter: String,
        (head, body): (Parts, RequestBody),
        origin: Origin,
    ) -> Outcome {
        let is_signed = origin == Origin::Network && head.headers.contains_key(AUTHORIZATION);
        let (caller, body, _turn) = match route.access {
            // Open routes that can use it get to know who runs the machine.
            Access::Open if origin == Origin::Network => (None, read_body(body, SIGN_IN_BODY_BYTES_MAX).await?, None),
            Access::AnyKey | Access::Administrator if is_signed => {
                // What came is part of what was signed.
                let (body, turn) = read_in_turn(body, &self.unproven).await?;
                (Some(admit(route, self.identify_signer(&head, &body)?)?), body, turn)
            }
            Access::Open | Access::AnyKey | Access::Administrator => {
                let caller = admit(route, self.identify(&head, origin)?)?;
                let (body, turn) = read_in_turn(body, &self.proven).await?;
                (Some(caller), body, turn)
            }
        };
        let (path, peer) = (head.uri.path().to_owned(), head.extensions.get::<Peer>().copied());
        let outcome = (route.run)(Arc::clone(&self), Call { head, parameter, body, caller: caller.clone() }).await;
        if route.is_audited {
            audit(caller.as_ref(), peer, &format!("{} {path}", route.method), &outcome);
        }
        outcome
    }
}

/// Lets the caller of a route in.
fn admit(route: &Route, caller: Caller) -> Result<Caller, Fault> {
    if route.access == Access::Administrator && !caller.is_admin {
        let text = "This takes root's key, or one with the policy admin.";
        return Err(Fault::new(StatusCode::FORBIDDEN, "not-an-administrator", text));
    }
    Ok(caller)
}

/// Reads a body. A large one waits for its turn and has it until it is done with; small ones are not worth it.
async fn read_in_turn<'a>(
    body: RequestBody,
    turns: &'a Semaphore,
) -> Result<(Bytes, Option<SemaphorePermit<'a>>), Fault> {
    let is_small = body.content_length().is_some_and(|length| length <= SIGN_IN_BODY_BYTES_MAX as u64);
    let turn = if is_small { None } else { turns.acquire().await.ok() };
    Ok((read_body(body, ADMIN_BODY_BYTES_MAX).await?, turn))
}
