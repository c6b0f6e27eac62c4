// Shows the OpenAPI document. Tokens stay in this page: nothing is kept in the browser's storage.
SwaggerUIBundle({
  url: "/schema",
  domNode: document.getElementById("docs"),
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  syntaxHighlight: false,
  validatorUrl: null,
  // The token alone says who calls: a session's cookie would ask for a CSRF token.
  requestInterceptor: (request) => ({ ...request, credentials: "omit" }),
});
