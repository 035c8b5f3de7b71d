"""The API's description at /openapi.json, loaded only when somebody asks for it."""
