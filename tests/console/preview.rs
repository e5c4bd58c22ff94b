//! What is stored is looked at in the browser: pictures, films and texts.

use crate::browser::Page;
use crate::support::noise;

/// Makes a film of a moving square by the browser's own recorder, and stores it through the console's door.
const RECORD: &str = "
const canvas = Object.assign(document.createElement('canvas'), {width: 64, height: 48});
const paint = canvas.getContext('2d');
const recorder = new MediaRecorder(canvas.captureStream(25), {mimeType: 'video/webm'});
const pieces = [];
recorder.ondataavailable = ({data}) => pieces.push(data);
const ended = new Promise((resolve) => { recorder.onstop = resolve; });
recorder.start();
for (let frame = 0; frame < 20; frame += 1) {
  paint.fillStyle = frame % 2 ? 'teal' : 'white';
  paint.fillRect(frame, frame, 20, 20);
  await new Promise((resolve) => setTimeout(resolve, 40));
}
recorder.stop();
await ended;
const film = new Blob(pieces);
const headers = {'x-sluicegate-csrf': '1', 'content-type': 'video/webm'};
const answer = await fetch('/s3/media/film.webm', {method: 'PUT', headers, body: film});
return [answer.status, film.size];";

/// A picture of 3 by 2 pixels.
const DRAW: &str = "
const canvas = Object.assign(document.createElement('canvas'), {width: 3, height: 2});
canvas.getContext('2d').fillRect(0, 0, 1, 1);
const picture = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
const headers = {'x-sluicegate-csrf': '1', 'content-type': 'image/png'};
return (await fetch('/s3/media/dot.png', {method: 'PUT', headers, body: picture})).status;";

#[test]
fn pictures_films_and_texts_are_shown_and_nothing_else() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("media");
    page.enter();

    assert_eq!(page.script_that_waits(DRAW), 200);
    page.go("#/buckets/media/object/dot.png");
    page.heading("dot.png");
    page.until(
        "the picture is drawn",
        "const i = document.querySelector('img.preview'); return i?.complete && i.naturalWidth === 3 && i.naturalHeight === 2",
    );

    let made = page.script_that_waits(RECORD);
    assert!(made[0] == 200 && made[1].as_u64().unwrap() > 500, "{made}");
    page.go("#/buckets/media/object/film.webm");
    page.heading("film.webm");
    page.until("the film is known", "return document.querySelector('video.preview')?.videoWidth === 64");
    page.script("const film = document.querySelector('video'); film.muted = true; return film.play()");
    page.until("the film plays", "return document.querySelector('video').currentTime > 0.2");

    // The beginning of a long text, as text.
    let long = format!("<b>first line</b>\n{}", "x".repeat(200_000));
    client.call("PUT", "/media/notes.md").header("content-type", "text/markdown").body(long).send().expect(200);
    page.go("#/buckets/media/object/notes.md");
    page.see("<b>first line</b>");
    page.see("The first 64.0 KiB of 195 KiB.");

    // What calls itself a picture and is none, and what nobody can show.
    client.call("PUT", "/media/broken.png").header("content-type", "image/png").body(noise(1, 900)).send().expect(200);
    page.go("#/buckets/media/object/broken.png");
    page.see("The browser cannot show this picture.");
    client.call("PUT", "/media/disk.img").body(noise(2, 900)).send().expect(200);
    page.go("#/buckets/media/object/disk.img");
    page.see("No preview for this kind of object.");
}
