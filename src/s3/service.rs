//! The S3 handler: request id, admission, the stages, and what every answer carries.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::{CONNECTION, SERVER};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tracing::Instrument as _;

use crate::engine::on_behalf_of;
use crate::guard::Ticket;
use crate::identity::Principal;
use crate::limits::SCARCE_BODY_BYTES_MAX;
use crate::net::{Handler, Peer, Request, RequestBody, Response, empty_body};
use crate::s3::access::{AccessRecord, TrackedBody};
use crate::s3::access_line::AccessLine;
use crate::s3::authenticate::authenticate;
use crate::s3::authorize::authorize;
use crate::s3::cors::{Crossing, preflight};
use crate::s3::dispatch::dispatch;
use crate::s3::explain::explain;
use crate::s3::op::post_object;
use crate::s3::requester_pays;
use crate::s3::route::{Routed, route, route_website};
use crate::s3::unbuilt::refuse_unbuilt_headers;
use crate::s3::{Code, Gateway, Operation, S3Error, bound, sts, website};
use crate::telemetry::traces::{self, Step};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

impl Gateway {
    async fn answer(self, request: Request) -> Response {
        let request_id = format!("{:016X}", rand::random::<u64>());
        let (head, body) = request.into_parts();
        let (method, version) = (head.method.clone(), head.version);
        let mut record = AccessRecord::begin(&head, &request_id, &self.insight);
        let mut crossing = Crossing::of(&head);
        let peer = head.extensions.get::<Peer>().copied();
        let (ticket, outcome) = match self.admit(peer, body.content_length()).await {
            Ok(ticket) => {
                let traced = record.traced();
                let run = self.run(head, body, &request_id, &mut record, crossing.as_mut());
                (Some(ticket), run.instrument(traced).await)
            }
            Err(refused) => (None, Err(refused)),
        };
        // An answer of unknown length tells of something that was done.
        let outcome = outcome.and_then(|response| {
            let bytes = response.body().size_hint().exact().unwrap_or_default();
            self.refuse_long(Some(bytes)).map(|()| response)
        });
        let mut response = outcome.unwrap_or_else(|error| {
            record.note_error(&error);
            error.into_response(record.path(), &request_id, &self.host_id)
        });
        if let Some(crossing) = crossing {
            crossing.open(&self, response.headers_mut()).await;
        }
        if self.drain.is_draining() && version <= Version::HTTP_11 {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.sign_off(&mut response, &request_id);
        record.note_answer(&response);
        if has_no_body(&method, response.status()) {
            *response.body_mut() = empty_body();
        }
        response.map(|body| TrackedBody::new(body, record, ticket).boxed_unsync())
    }

    /// Lets the request in: not while the server stops, not faster than its address may ask, and not beyond what memory
    /// allows.
    async fn admit(&self, peer: Option<Peer>, body_bytes: Option<u64>) -> Result<Ticket, S3Error> {
        if self.drain.is_draining() {
            return Err(S3Error::new(Code::ServiceUnavailable).message("The server is stopping.").cause("draining"));
        }
        self.admit_address(peer)?;
        self.refuse_long(body_bytes)?;
        self.admission.ticket().await.map_err(|refused| {
            let message = format!("Please reduce your request rate: {refused}.");
            S3Error::new(Code::SlowDown).message(message).cause(refused).because(bound::no_ticket(&self.admission))
        })
    }

    /// Refuses a body that would keep a connection for long while connections are scarce.
    fn refuse_long(&self, body_bytes: Option<u64>) -> Result<(), S3Error> {
        if self.admission.is_scarce() && body_bytes.is_none_or(|bytes| bytes > SCARCE_BODY_BYTES_MAX) {
            let cause = "connections are scarce, and this one would last";
            let message = format!("Please reduce your request rate: {cause}.");
            let explanation = bound::no_connection(&self.admission, body_bytes);
            return Err(S3Error::new(Code::SlowDown).message(message).cause(cause).because(explanation));
        }
        Ok(())
    }

    /// The stages. Each takes what only the one before makes.
    async fn run(
        &self,
        head: Parts,
        body: RequestBody,
        request_id: &str,
        record: &mut AccessRecord,
        crossing: Option<&mut Crossing>,
    ) -> Result<Response, S3Error> {
        if let Some(visit) = route_website(&head, &self.settings.domains, &self.settings.website_domains) {
            return Ok(self.visit(&head, visit, request_id, record, crossing).await);
        }
        if sts::is_for_sts(&head, &self.settings.domains) {
            return Ok(Box::pin(sts::answer(self, &head, body, request_id, record)).await);
        }
        let routed = route(&head, &self.settings.domains)?;
        record.note_route(&routed);
        self.begin_line(&head, &routed, request_id, record, "REST");
        if let Some(crossing) = crossing {
            crossing.note_route(&routed);
        }
        if routed.operation == Operation::PreflightRequest {
            return preflight(self, &head, &routed).await;
        }
        if self.engine.is_paused() && !routed.operation.only_reads() {
            return Err(bound::paused(self.engine.current_pause().as_ref()));
        }
        let span = tracing::info_span!("request", id = request_id, operation = routed.operation.name());
        if routed.operation == Operation::PostObject {
            return Box::pin(post_object::run(self, routed, head, body, request_id, record)).instrument(span).await;
        }
        let peer = head.extensions.get::<Peer>().copied();
        let authenticated = authenticate(self, routed, head)?;
        record.note_principal(&authenticated.principal);
        let body = body.at_pace(self.admit_principal(&authenticated.principal, peer, record)?);
        let origin = self.origin(&authenticated.principal, peer, request_id);
        let work = async {
            let call = authorize(self, authenticated, request_id, record.received());
            let call = Box::pin(call.instrument(traces::step(Step::Authorize))).await?;
            refuse_unbuilt_headers(&call)?;
            let is_upload = matches!(call.operation, Operation::PutObject | Operation::UploadPart);
            let _watched = is_upload.then(|| record.watch_upload(body.content_length()));
            let mut response = dispatch(self, &call, body).await.map_err(|error| explain(&call, error))?;
            requester_pays::tell(call.charge, &mut response);
            Ok(response)
        };
        on_behalf_of(Some(Arc::new(origin)), work.instrument(span)).await
    }

    /// Begins the request's line in its bucket's own log, if it has one. `api` is how the request came.
    fn begin_line(&self, head: &Parts, routed: &Routed, request_id: &str, record: &mut AccessRecord, api: &str) {
        let logged = routed.bucket.as_ref().and_then(|name| self.engine.logged_bucket(name.as_str()));
        if let Some(logged) = logged {
            let ids = (request_id, &self.host_id);
            let line = AccessLine::begin(logged, (head, routed, api), ids, self.clock.now());
            record.note_line(Arc::clone(&self.engine), line);
        }
    }

    /// A request to a website. Its errors are pages, and therefore answers.
    async fn visit(
        &self,
        head: &Parts,
        routed: Result<Routed, S3Error>,
        request_id: &str,
        record: &mut AccessRecord,
        crossing: Option<&mut Crossing>,
    ) -> Response {
        let routed = match routed {
            Ok(routed) => routed,
            Err(error) => return website::refuse(self, &error, request_id, record),
        };
        record.note_route(&routed);
        self.begin_line(head, &routed, request_id, record, "WEBSITE");
        if let Some(crossing) = crossing {
            crossing.note_route(&routed);
        }
        if routed.operation == Operation::PreflightRequest {
            let answer = preflight(self, head, &routed).await;
            return answer.unwrap_or_else(|error| website::refuse(self, &error, request_id, record));
        }
        record.note_principal(&Principal::Anonymous);
        let peer = head.extensions.get::<Peer>().copied();
        if let Err(error) = self.admit_principal(&Principal::Anonymous, peer, record) {
            return website::refuse(self, &error, request_id, record);
        }
        let span = tracing::info_span!("visit", id = request_id, operation = routed.operation.name());
        Box::pin(website::answer(self, head, &routed, request_id, record)).instrument(span).await
    }

    /// Adds what every answer carries. `Date` is HTTP's.
    fn sign_off(&self, response: &mut Response, request_id: &str) {
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static("Sluicegate"));
        let ids = [(REQUEST_ID, request_id), (HOST_ID, &*self.host_id)];
        for (name, id) in ids {
            headers.insert(name, HeaderValue::from_str(id).expect("ids are hex digits and base64"));
        }
    }
}

impl Handler for Gateway {
    fn handle(&self, request: Request) -> BoxFuture<'static, Response> {
        Box::pin(self.clone().answer(request))
    }
}

/// Whether HTTP forbids the answer to have a body; its headers still tell what the body would have been.
fn has_no_body(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD || status == StatusCode::NOT_MODIFIED || status == StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};

    use super::has_no_body;

    #[test]
    fn answers_to_head_and_conditions_have_no_body() {
        assert!(has_no_body(&Method::HEAD, StatusCode::NOT_FOUND));
        assert!(has_no_body(&Method::GET, StatusCode::NOT_MODIFIED));
        assert!(!has_no_body(&Method::GET, StatusCode::PRECONDITION_FAILED));
    }
}
