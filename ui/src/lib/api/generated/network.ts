// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

import type { PortBinding } from "./host_config";

export interface Address {
  Addr: string;
  PrefixLen: number;
}

export interface ConfigReference {
  Network: string;
}

export interface ConfigReferenceInput {
  Network?: string;
}

/** Addresses the user chose. */
export interface EndpointIpamConfig {
  IPv4Address?: string;
  IPv6Address?: string;
  LinkLocalIPs?: string[];
}

/** Addresses the user chose. */
export interface EndpointIpamConfigInput {
  IPv4Address?: string;
  IPv6Address?: string;
  LinkLocalIPs?: string[] | null;
}

/** A container within a network's inspection; addresses with their prefix length. */
export interface EndpointResource {
  EndpointID: string;
  IPv4Address: string;
  IPv6Address: string;
  MacAddress: string;
  Name: string;
}

/** One container on one network: what was asked for, then what came of it. */
export interface EndpointSettings {
  Aliases: string[] | null;
  DNSNames: string[] | null;
  DriverOpts: Record<string, string> | null;
  EndpointID: string;
  Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  /** The endpoint with the highest value gives the default gateway. */
  GwPriority: number;
  IPAMConfig: EndpointIpamConfig | null;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  Links: string[] | null;
  MacAddress: string;
  NetworkID: string;
}

/** One container on one network: what was asked for, then what came of it. */
export interface EndpointSettingsInput {
  Aliases?: string[] | null;
  DNSNames?: string[] | null;
  DriverOpts?: Record<string, string> | null;
  EndpointID?: string;
  Gateway?: string;
  GlobalIPv6Address?: string;
  GlobalIPv6PrefixLen?: number;
  /** The endpoint with the highest value gives the default gateway. */
  GwPriority?: number;
  IPAMConfig?: EndpointIpamConfigInput | null;
  IPAddress?: string;
  IPPrefixLen?: number;
  IPv6Gateway?: string;
  Links?: string[] | null;
  MacAddress?: string;
  NetworkID?: string;
}

/** Address management of a network. */
export interface Ipam {
  Config: IpamConfig[] | null;
  Driver: string;
  Options: Record<string, string> | null;
}

/** One subnet. */
export interface IpamConfig {
  AuxiliaryAddresses?: Record<string, string>;
  Gateway?: string;
  IPRange?: string;
  Subnet?: string;
}

/** One subnet. */
export interface IpamConfigInput {
  AuxiliaryAddresses?: Record<string, string> | null;
  Gateway?: string;
  IPRange?: string;
  Subnet?: string;
}

/** Address management of a network. */
export interface IpamInput {
  Config?: IpamConfigInput[] | null;
  Driver?: string;
  Options?: Record<string, string> | null;
}

/** The body of `POST /networks/{id}/connect`. */
export interface NetworkConnectRequest {
  Container?: string;
  EndpointConfig?: EndpointSettingsInput | null;
}

/** The body of `POST /networks/create`. */
export interface NetworkCreateRequest {
  Attachable?: boolean;
  CheckDuplicate?: boolean | null;
  ConfigFrom?: ConfigReferenceInput | null;
  ConfigOnly?: boolean;
  /** Empty: `bridge`. */
  Driver?: string;
  EnableIPv4?: boolean | null;
  EnableIPv6?: boolean | null;
  IPAM?: IpamInput | null;
  Ingress?: boolean;
  Internal?: boolean;
  Labels?: Record<string, string> | null;
  Name?: string;
  Options?: Record<string, string> | null;
  Scope?: string;
}

/** The answer to network create. */
export interface NetworkCreateResponse {
  Id: string;
  Warning: string;
}

/** The body of `POST /networks/{id}/disconnect`. */
export interface NetworkDisconnectRequest {
  Container?: string;
  Force?: boolean;
}

/** One network, in lists (with `containers` empty) and inspections. */
export interface NetworkInspect {
  Attachable: boolean;
  ConfigFrom: ConfigReference;
  ConfigOnly: boolean;
  /** By container ID. */
  Containers: Record<string, EndpointResource>;
  Created: string;
  Driver: string;
  EnableIPv4: boolean;
  EnableIPv6: boolean;
  IPAM: Ipam;
  Id: string;
  Ingress: boolean;
  Internal: boolean;
  Labels: Record<string, string> | null;
  Name: string;
  Options: Record<string, string> | null;
  /** `local` here. */
  Scope: string;
}

/** The answer to network prune. */
export interface NetworkPruneReport {
  NetworksDeleted: string[] | null;
}

/** The network part of a container's inspection. The single-network fields repeat the default bridge's endpoint. */
export interface NetworkSettings {
  Bridge: string;
  EndpointID: string;
  Gateway: string;
  GlobalIPv6Address: string;
  GlobalIPv6PrefixLen: number;
  HairpinMode: boolean;
  IPAddress: string;
  IPPrefixLen: number;
  IPv6Gateway: string;
  LinkLocalIPv6Address: string;
  LinkLocalIPv6PrefixLen: number;
  MacAddress: string;
  Networks: Record<string, EndpointSettings> | null;
  Ports: Record<string, PortBinding[] | null> | null;
  SandboxID: string;
  SandboxKey: string;
  SecondaryIPAddresses: Address[] | null;
  SecondaryIPv6Addresses: Address[] | null;
}

/** The networks to join at create. */
export interface NetworkingConfig {
  /** By network name or ID; `null` settings are allowed. */
  EndpointsConfig?: Record<string, EndpointSettingsInput | null> | null;
}
