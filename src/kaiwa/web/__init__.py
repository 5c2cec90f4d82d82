"""HTTP: routes, sign-in, Server-Sent Events, WebSocket, and the page."""
