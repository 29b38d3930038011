// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

import type { Descriptor, Platform } from "./image";

/** Credentials of one registry, as in the header `X-Registry-Auth` and the body of `POST /auth`. */
export interface AuthConfig {
  auth?: string;
  email?: string;
  /** An OAuth2 refresh token in place of the password. */
  identitytoken?: string;
  password?: string;
  /** A bearer token to be sent as it is. */
  registrytoken?: string;
  serveraddress?: string;
  username?: string;
}

/** The answer to `POST /auth`. */
export interface AuthResponse {
  IdentityToken: string;
  Status: string;
}

/** The answer to `GET /distribution/{name}/json`. */
export interface DistributionInspect {
  Descriptor: Descriptor;
  /** `None` where the manifest does not say. */
  Platforms: Platform[] | null;
}

/** One of the answers to `GET /images/search`. */
export interface SearchResult {
  description: string;
  /** Always false: nothing knows it any more. */
  is_automated: boolean;
  is_official: boolean;
  name: string;
  star_count: number;
}
