variable "revenium_api_key" {
  description = "Revenium API key. It is kept in Secrets Manager only; set it on every run, best as TF_VAR_revenium_api_key."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "cache_ttl_seconds" {
  description = "Seconds that API Gateway repeats the authorizer's answer for a client id. Null is the module's default."
  type        = number
  default     = null
}

variable "entitlement_url" {
  description = "Full URL of the entitlement check of an EU or private Revenium instance. Null is Revenium's public instance."
  type        = string
  default     = null
}

variable "metering_url" {
  description = "Base URL of the metering API of an EU or private Revenium instance. Null is Revenium's public instance."
  type        = string
  default     = null
}

variable "name" {
  description = "Name of the API and prefix of every other name."
  type        = string
  default     = "revenium-signed-clients"
  nullable    = false
}

variable "signing_secret_version" {
  description = "Version of the secret that callers sign with: another one is made when this number is raised."
  type        = number
  default     = 1
  nullable    = false
}
